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

__all__ = ["Operations", "QuickShapes"]


class QuickShapes(TorchDispatchMode):
    """Gives at once what common operations return on the meta device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        quick = _QUICK.get(func)
        out = quick(*args, **(kwargs or {})) if quick else None
        return func(*args, **(kwargs or {})) if out is None else out


class Operations(QuickShapes):
    """Notes the names of all operations, in order, with the numbers that they are given.

    Attributes:
        names: of those so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(f"{func} {[value for value in args if isinstance(value, int | float)]}")
        return super().__torch_dispatch__(func, types, args, kwargs)


def _is_plain(x: Any) -> bool:
    """Whether something is a contiguous meta tensor of floating-point numbers, and not in channels_last as well.

    A tensor with one channel, or of one pixel, is contiguous in both layouts: its strides tell which one torch keeps.
    """
    if not (isinstance(x, Tensor) and x.is_meta and x.is_floating_point() and x.is_contiguous()):
        return False
    return x.ndim != 4 or not x.is_contiguous(memory_format=torch.channels_last) or x.stride() == _dense(x.shape)


def _dense(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous tensor."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _empty(shape: Sequence[int], x: Tensor) -> Tensor:
    return torch.empty(shape, dtype=x.dtype, device="meta")


def _like(x: Tensor, *rest: Any, **options: Any) -> Tensor | None:
    """A new tensor laid out as `x` is."""
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    is_known = x.is_meta and x.is_floating_point() and dense
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta") if is_known else None


def _gelu(x: Tensor, *, approximate: str = "none") -> Tensor | None:
    return _like(x) if approximate in ("none", "tanh") else None


def _pair(x: Tensor, other: Any, *, alpha: float = 1) -> Tensor | None:
    """The sum or product of `x` and a number, a tensor laid out alike, or one with which it is broadcast."""
    if type(alpha) not in (int, float):
        return None
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


def _uniform(x: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Any = None) -> Tensor | None:
    """`x` itself, which holds no values, where torch draws them; the same for the functions that follow."""
    return x if _is_plain(x) and low <= high else None


def _normal(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor | None:
    return x if _is_plain(x) and std >= 0 else None


def _filled(x: Tensor, value: float = 0.0) -> Tensor | None:
    return x if _is_plain(x) and type(value) in (int, float) else None


def _counted(x: Tensor, other: Any, *, alpha: float = 1) -> Tensor | None:
    """A count of batches, to which a whole number is added."""
    is_count = x.is_meta and x.dtype == torch.int64 and x.ndim == 0
    return x if is_count and type(other) is type(alpha) is int else None


def _norm(x: Tensor, weight: Tensor | None, *rest: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    """What batch normalisation returns: the map, and a mean and a deviation for each channel."""
    is_known = x.dtype == torch.float32 and (weight is None or weight.dtype == x.dtype)
    out = _like(x) if is_known else None
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
    fits = out is not None and bias.is_meta and bias.dtype == out.dtype and bias.shape == out.shape[1:]
    return out if fits else None


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    """Tensors that are concatenated along an axis."""
    first = tensors[0] if tensors else None
    if first is None or not all(_is_plain(x) and x.dtype == first.dtype and x.ndim == first.ndim > 0 for x in tensors):
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
    _aten.gelu.default: _gelu,
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
            _aten.hardsigmoid.default,
            _aten.hardswish.default,
            _aten.hardtanh.default,
            _aten.sqrt.default,
        ),
        _like,
    ),
    _aten.add_.Tensor: _counted,
    _aten.uniform_.default: _uniform,
    _aten.normal_.default: _normal,
    **dict.fromkeys((_aten.fill_.Scalar, _aten.zero_.default), _filled),
}
