"""Runs of a model for its shapes alone, on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.hooks import RemovableHandle

from attnspace.errors import AttnspaceError, PlacementError, SpecError

__all__ = ["MetaRun", "QuickShapes", "check_shape", "modes_kept", "on_meta", "watched_on_meta"]


def check_shape(shape: object) -> None:
    """Check that `shape` is (C, H, W).

    Raises:
        SpecError: it is not three positive whole numbers.
    """
    if not (isinstance(shape, tuple | list) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)):
        raise SpecError("the input shape is not (C, H, W)", got=shape, remedy="give three numbers, without the batch")


class MetaRun:
    """Calls a model with its tensors replaced by meta tensors; one that lies on the meta device is called as it is.

    Attributes:
        tensors: the meta tensor of every parameter and buffer, by name.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.tensors = dict([*model.named_parameters(), *model.named_buffers()])
        self._is_meta = all(tensor.is_meta for tensor in self.tensors.values())
        if not self._is_meta:
            self.tensors = {
                name: torch.empty_like(tensor, device="meta", requires_grad=tensor.requires_grad)
                for name, tensor in self.tensors.items()
            }

    def __call__(self, x_nchw: Tensor) -> Any:
        if self._is_meta:
            return self.model(x_nchw)
        return torch.func.functional_call(self.model, self.tensors, (x_nchw,))


class QuickShapes(TorchDispatchMode):
    """Gives at once what common operations return on the meta device.

    Torch would find their shapes by going through decompositions in Python, up to a millisecond each.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        quick = _QUICK.get(func)
        out = quick(*args) if quick else None
        return func(*args, **(kwargs or {})) if out is None else out


def _like(x: Tensor, *rest: Any) -> Tensor | None:
    """A new meta tensor with the shape and layout of `x`; None where torch is to be asked."""
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta") if x.is_meta and dense else None


def _pair(x: Tensor, other: Any, *rest: Any) -> Tensor | None:
    """The result of `x` and a tensor laid out alike, or broadcast to it; None where torch is to be asked."""
    if not isinstance(other, Tensor) or not other.is_meta or other.dtype != x.dtype or other.ndim != x.ndim:
        return None
    if other.shape == x.shape:
        return _like(x) if other.stride() == x.stride() else None
    reaches = all(theirs in (1, ours) for theirs, ours in zip(other.shape, x.shape, strict=True))
    return _like(x) if reaches and x.is_contiguous() else None


def _norm(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    """What batch normalisation returns: the map, and a mean and a deviation for each channel."""
    out = _like(x)
    if out is None:
        return None
    mean, deviation = (torch.empty(x.shape[1], dtype=x.dtype, device="meta") for _ in range(2))
    return out, mean, deviation


_QUICK: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.native_batch_norm.default: _norm,
    **dict.fromkeys(
        (
            torch.ops.aten.relu.default,
            torch.ops.aten.sigmoid.default,
            torch.ops.aten.tanh.default,
            torch.ops.aten.silu.default,
            torch.ops.aten.hardsigmoid.default,
            torch.ops.aten.hardswish.default,
        ),
        _like,
    ),
    torch.ops.aten.add.Tensor: _pair,
    torch.ops.aten.mul.Tensor: _pair,
}


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """A context after which every module of the model is set back to training or evaluation, as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def on_meta(model: nn.Module, input_shape: tuple[int, int, int]) -> Iterator[tuple[MetaRun, Tensor]]:
    """A context to run `model` in for its shapes alone, in evaluation mode; the model is left as it was.

    Raises:
        PlacementError: the code inside the context fails; the error names the cause.
    """
    check_shape(input_shape)
    with modes_kept(model), torch.no_grad():
        model.eval()
        try:
            yield MetaRun(model), torch.empty((1, *input_shape), device="meta")
        except AttnspaceError:
            raise
        except Exception as cause:  # whatever the model's code raises
            raise PlacementError(
                f"the model cannot be run for its shapes, on the meta device: {type(cause).__name__}: {cause}",
                got=input_shape,
                allowed="an input shape (C, H, W) that it takes; code whose tensors are made on its input's device",
            ) from cause


def watched_on_meta(model: nn.Module, input_shape: tuple[int, int, int], hooks: Iterable[RemovableHandle]) -> None:
    """Run `model` once for its shapes alone, so that the hooks see them; then remove the hooks."""
    try:
        with on_meta(model, input_shape) as (run, x_nchw), QuickShapes():
            run(x_nchw)
    finally:
        for hook in hooks:
            hook.remove()
