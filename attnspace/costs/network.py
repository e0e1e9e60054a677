"""What a block or a network costs, measured on the meta device: nothing is computed or allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import conv_flop_count, flop_registry

from attnspace.costs.meta import MetaRun, check_shape, in_mode, on_meta
from attnspace.costs.quick_shapes import QuickShapes
from attnspace.language.identity import resolve
from attnspace.language.specs import SpecLike

__all__ = ["Cost", "cost", "network_cost"]


BATCH = 2
"""Samples in the training pass that is measured: batch normalisation after a global squeeze needs two."""


@dataclass(frozen=True)
class Cost:
    """Cost of one sample, in float32.

    Attributes:
        params: trainable parameters.
        flops: floating-point operations of convolutions and matrix products in a forward pass, 1 MAC = 2 FLOPs.
            Pooling, normalisation, activations and the multiplication by the gate are left out, as is customary.
        activation_bytes: what a training pass keeps in memory from forward to backward, each tensor once, besides
            parameters and buffers; a block's own input is kept by its gate, and so counted.
    """

    params: int
    flops: int
    activation_bytes: int

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations: half the FLOPs."""
        return self.flops // 2


def cost(spec_or_model: SpecLike | nn.Module, input_shape: tuple[int, int, int]) -> Cost:
    """Parameters, FLOPs and activation bytes at an input of (C, H, W).

    Raises:
        SpecError: the input shape is not (C, H, W), or the spec is not possible at C channels.
    """
    check_shape(input_shape)
    if isinstance(spec_or_model, nn.Module):
        with on_meta(spec_or_model, input_shape) as (run, x_nchw), _Flops() as counted:
            run(x_nchw)
        _, kept = _training_pass(spec_or_model, input_shape, gradient_of_input=False)
        return Cost(_trainable(spec_or_model), counted.flops, kept)
    block = resolve(spec_or_model, input_shape[0])
    with torch.device("meta"):
        model = block.build(input_shape[0])
    # What a block multiplies is the same in training.
    flops, kept = _training_pass(model, input_shape, gradient_of_input=True)
    return Cost(_trainable(model), flops, kept)


def network_cost(model: nn.Module, input_shape: tuple[int, int, int]) -> Cost:
    """The same as `cost`, in half the time, for a model that computes the same in training as in evaluation."""
    flops, kept = _training_pass(model, input_shape, gradient_of_input=False)
    return Cost(_trainable(model), flops, kept)


def _trainable(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


class _Flops(QuickShapes):
    """Adds up the FLOPs of the operations that torch has a formula for; its own counter tracks modules too."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if func is torch.ops.aten.convolution.default:  # the formula below, without a search for tensors in lists
            self.flops += conv_flop_count(args[0].shape, args[1].shape, out.shape, transposed=args[6])
        elif (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out


def _training_pass(model: nn.Module, input_shape: tuple[int, int, int], *, gradient_of_input: bool) -> tuple[int, int]:
    """The FLOPs of one sample in a training pass, and the bytes that are kept for the backward pass."""
    storages: dict[int, Any] = {}  # the storages themselves, so that none is freed and its key used again

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    with in_mode(model, training=True), saved_tensors_hooks(keep, lambda tensor: tensor), _Flops() as counted:
        run = MetaRun(model)
        out = run(torch.empty((BATCH, *input_shape), device="meta", requires_grad=gradient_of_input))
        weights = {tensor.untyped_storage()._cdata for tensor in run.tensors.values()}
        del out
    kept = sum(storage.nbytes() for key, storage in storages.items() if key not in weights)
    return counted.flops // BATCH, kept // BATCH
