"""What common operations return on the meta device, without asking torch.

Torch finds the shapes of many operations by going through decompositions in Python, up to a millisecond each. Each
function here takes an operation's own arguments and returns new meta tensors laid out as torch's are; or None where it
does not know, or torch would raise: then torch is asked. A test compares both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["QuickShapes"]


class QuickShapes(TorchDispatchMode):
    """Gives at once what common operations return on the meta device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        quick = _QUICK.get(func)
        out = quick(*args, **(kwargs or {})) if quick else None
        return func(*args, **(kwargs or {})) if out is None else out


def _is_plain(x: Any) -> bool:
    """Whether something is a contiguous meta tensor of floating-point numbers."""
    return isinstance(x, Tensor) and x.is_meta and x.is_floating_point() and x.is_contiguous()


def _empty(shape: Sequence[int], x: Tensor) -> Tensor:
    return torch.empty(shape, dtype=x.dtype, device="meta")


def _like(x: Tensor, *rest: Any, **options: Any) -> Tensor | None:
    """A new tensor laid out as `x` is."""
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    is_known = x.is_meta and x.is_floating_point() and dense
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta") if is_known else None


def _pair(x: Tensor, other: Any, *, alpha: float = 1) -> Tensor | None:
    """The sum or product of `x` and a number, a tensor laid out alike, or one with which it is broadcast."""
    if not isinstance(other, Tensor):
        return _like(x) if type(other) in (int, float) else None
    if not other.is_meta or other.dtype != x.dtype or other.ndim != x.ndim:
        return None
    if other.shape == x.shape:
        return _like(x) if other.stride() == x.stride() else None
    if not _is_plain(x) or not all(a == b or 1 in (a, b) for a, b in zip(x.shape, other.shape, strict=True)):
        return None
    shape = [max(a, b) if a and b else 0 for a, b in zip(x.shape, other.shape, strict=True)]
    return _empty(shape, x) if list(x.shape) == shape or _is_plain(other) else None


def _in_place(x: Tensor, other: Any = 0, *rest: Any, **options: Any) -> Tensor | None:
    """`x` itself, which holds no values that an operation could change."""
    fits = other.shape in ((), x.shape) if isinstance(other, Tensor) else x.is_floating_point() or type(other) is int
    return x if x.is_meta and fits else None


def _norm(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    """What batch normalisation returns: the map, and a mean and a deviation for each channel."""
    out = _like(x)
    return None if out is None else (out, _empty(x.shape[1:2], x), _empty(x.shape[1:2], x))


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor | None:
    spatial = x.ndim - 2
    if transposed or not _is_plain(x) or not _is_plain(weight) or weight.dtype != x.dtype or weight.ndim != x.ndim:
        return None
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        return None
    if not len(stride) == len(padding) == len(dilation) == spatial:
        return None
    sizes = [
        (length + 2 * pad - spread * (kernel - 1) - 1) // step + 1
        for length, kernel, step, pad, spread in zip(
            x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return _empty((x.shape[0], weight.shape[0], *sizes), x) if min(sizes) > 0 else None


def _reduced(
    x: Tensor, dim: Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None, correction: Any = None
) -> Tensor | None:
    """A sum, mean or variance over some axes."""
    if not _is_plain(x) or not dim or dtype is not None or not all(-x.ndim <= axis < x.ndim for axis in dim):
        return None
    over = {axis % x.ndim for axis in dim}
    if len(over) < len(dim):
        return None
    return _empty([1 if i in over else n for i, n in enumerate(x.shape) if keepdim or i not in over], x)


def _matrix_product(a: Tensor, b: Tensor) -> Tensor | None:
    fits = a.is_meta and b.is_meta and a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0] and a.dtype == b.dtype
    return _empty((a.shape[0], b.shape[1]), a) if fits and a.is_floating_point() else None


def _linear(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor | None:
    """A bias and the product of two matrices."""
    out = _matrix_product(a, b)
    return out if out is not None and bias.dtype == out.dtype and bias.shape == out.shape[1:] else None


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    """Tensors that are concatenated along an axis."""
    first = tensors[0]
    if not all(_is_plain(x) and x.dtype == first.dtype and x.ndim == first.ndim > 0 for x in tensors):
        return None
    if not -first.ndim <= dim < first.ndim or math.prod(first.shape) == 0:
        return None
    axis = dim % first.ndim
    shapes = [list(x.shape) for x in tensors]
    if any(shape[:axis] + shape[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for shape in shapes):
        return None
    return _empty([*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]], first)


_aten = torch.ops.aten
_QUICK: dict[Any, Callable[..., Any]] = {
    _aten.native_batch_norm.default: _norm,
    _aten.convolution.default: _convolution,
    _aten.addmm.default: _linear,
    _aten.mm.default: _matrix_product,
    _aten.cat.default: _joined,
    **dict.fromkeys((_aten.add.Tensor, _aten.mul.Tensor), _pair),
    **dict.fromkeys((_aten.mean.dim, _aten.sum.dim_IntList, _aten.var.correction), _reduced),
    **dict.fromkeys(
        (
            _aten.relu.default,
            _aten.sigmoid.default,
            _aten.tanh.default,
            _aten.silu.default,
            _aten.gelu.default,
            _aten.hardsigmoid.default,
            _aten.hardswish.default,
            _aten.hardtanh.default,
            _aten.sqrt.default,
        ),
        _like,
    ),
    **dict.fromkeys(
        (
            _aten.add_.Tensor,
            _aten.fill_.Scalar,
            _aten.zero_.default,
            _aten.uniform_.default,
            _aten.normal_.default,
        ),
        _in_place,
    ),
}
