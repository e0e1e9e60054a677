"""What a block or a network costs, measured on the meta device, where nothing is computed, or by one real run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import conv_flop_count, flop_registry

from attnspace.costs.inputs import Inputs, InputsLike, check_shape, inputs_of
from attnspace.costs.probe import Probe, look
from attnspace.costs.quick_shapes import QuickShapes
from attnspace.language.identity import resolve
from attnspace.language.specs import SpecLike

__all__ = ["Cost", "cost", "network_cost", "trainable"]


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


def cost(spec_or_model: SpecLike | nn.Module, input_shape: InputsLike) -> Cost:
    """Parameters, FLOPs and activation bytes at an input of (C, H, W), or for example inputs of a model.

    A model stays as it is: a copy is run, on the meta device, and where the model cannot run there for real.

    Raises:
        SpecError: the input shape is not (C, H, W), or the spec is not possible at C channels.
        PlacementError: the model cannot be run.
    """
    if isinstance(spec_or_model, nn.Module):
        return look(spec_or_model, inputs_of(spec_or_model, input_shape), network_cost)
    channels, height, width = check_shape(input_shape)
    block = resolve(spec_or_model, channels)
    with torch.device("meta"):
        model = block.build(channels)
    # What a block multiplies is the same in training.
    flops, kept = _training_pass(Probe(model, Inputs((channels, height, width))), gradient_of_input=True)
    return Cost(trainable(model), flops, kept)


def network_cost(probe: Probe) -> Cost:
    """The same as `cost`, in half the time if the model is known to compute the same in training as in evaluation."""
    flops, kept = _training_pass(probe)
    if not probe.trains_alike:
        counted = _Flops()
        probe.run(counting=counted)
        probe.trains_alike, flops = flops == counted.flops, counted.flops
    return Cost(trainable(probe.model), flops, kept)


def trainable(model: nn.Module) -> int:
    """How many parameters of a model are trained."""
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


def _training_pass(probe: Probe, *, gradient_of_input: bool = False) -> tuple[int, int]:
    """The FLOPs of one sample in a training pass, and the bytes that are kept for the backward pass."""
    storages: dict[int, Any] = {}  # the storages themselves, so that none is freed and its key used again

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    counted = _Flops()
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        out = probe.run(batch=BATCH, training=True, gradient_of_input=gradient_of_input, counting=counted)
        own = (*probe.model.parameters(), *probe.model.buffers())
        weights = {tensor.untyped_storage()._cdata for tensor in own}
        del out
    kept = sum(storage.nbytes() for key, storage in storages.items() if key not in weights)
    return counted.flops // BATCH, kept // BATCH
