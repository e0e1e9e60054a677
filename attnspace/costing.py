"""What a block or a network costs, measured on the meta device: nothing is computed or allocated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from attnspace.compiler import build
from attnspace.errors import SpecError
from attnspace.spec import SpecLike

__all__ = ["Cost", "cost", "on_meta"]


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass of one sample.

    Attributes:
        params: trainable parameters.
        flops: floating-point operations of convolutions and matrix products, 1 MAC = 2 FLOPs. Pooling,
            normalisation, activations and the multiplication by the gate are left out, as is customary.
    """

    params: int
    flops: int

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations: half the FLOPs."""
        return self.flops // 2


def cost(spec_or_model: SpecLike | nn.Module, input_shape: tuple[int, int, int]) -> Cost:
    """Parameters and FLOPs at an input of (C, H, W).

    Raises:
        SpecError: the input shape is not (C, H, W), or the spec is not possible at C channels.
    """
    _check_shape(input_shape)
    if isinstance(spec_or_model, nn.Module):
        model = spec_or_model
    else:
        with torch.device("meta"):
            model = build(spec_or_model, input_shape[0])
    with on_meta(model, input_shape) as (run, x_nchw), FlopCounterMode(display=False) as counter:
        run(x_nchw)
    params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Cost(params, counter.get_total_flops())


def _check_shape(shape: object) -> None:
    if not (isinstance(shape, tuple | list) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)):
        raise SpecError("the input shape is not (C, H, W)", got=shape, remedy="give three numbers, without the batch")


class _Run:
    """Calls a model with its tensors replaced by meta tensors."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        tensors = [*model.named_parameters(), *model.named_buffers()]
        self.tensors = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}

    def __call__(self, x_nchw: Tensor) -> None:
        torch.func.functional_call(self.model, self.tensors, (x_nchw,))


@contextmanager
def on_meta(model: nn.Module, input_shape: tuple[int, int, int]) -> Iterator[tuple[_Run, Tensor]]:
    """A way to run `model` for its shapes alone, in evaluation mode; the model is left as it was."""
    _check_shape(input_shape)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield _Run(model), torch.empty((1, *input_shape), device="meta")
    finally:
        for module, training in modes:
            module.training = training
