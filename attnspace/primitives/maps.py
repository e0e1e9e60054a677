"""Several maps as one, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Fold", "fold"]

Fold = Literal["sum", "mean", "max", "product"]


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
