"""Fold several maps into one, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Fold", "check_several", "fold"]


Fold = Literal["sum", "mean", "max", "product"]


def check_several(x: Tensor, dims: tuple[int, ...], what: str) -> None:
    """Check that there is more than one value over `dims`, as an unbiased variance needs; not while a graph is traced.

    Raises:
        ValueError: there is only one.
    """
    if isinstance(x, Tensor) and all(x.shape[dim] == 1 for dim in dims):
        raise ValueError(f"{what} needs more than one value to compare; got a map of {tuple(x.shape)}")


def fold(how: Fold, maps: Sequence[Tensor]) -> Tensor:
    """The sum, mean, maximum or product of maps that broadcast to one shape."""
    folded = maps[0]
    for one in maps[1:]:
        if how == "product":
            folded = folded * one
        elif how == "max":
            folded = torch.maximum(folded, one)
        else:
            folded = folded + one
    return folded / len(maps) if how == "mean" else folded
