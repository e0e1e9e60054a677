"""Mean and standard deviation of pixels, from sums over each image; those of bytes are whole numbers and exact."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["mean_and_std", "moments"]

ROUNDING = 1e-13
"""A share of the squared sum below which the spread of floating point values is nothing but rounding."""


def moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum of pixels and the sum of their squares, of each channel of each image.

    Shape:
        (n, C, H, W) uint8 or float32 -> (n, C) int64 or float64, twice
    """
    if images.dtype != np.uint8:
        return images.sum((2, 3), dtype=np.float64), np.square(images, dtype=np.float64).sum((2, 3))
    squares = np.square(images, dtype=np.uint16)  # 255 squared is less than 2 to the 16
    return images.sum((2, 3), dtype=np.int64), squares.sum((2, 3), dtype=np.int64)


def mean_and_std(sums: np.ndarray, squares: np.ndarray, pixels: int) -> tuple[Tensor, Tensor]:
    """Mean of each channel over some images, and its standard deviation with n - 1.

    The deviation of a channel that is the same everywhere is given as 1, as it is divided by.

    Args:
        sums: sums of the pixels in each channel of each image, (n, C).
        squares: sums of their squares, (n, C).
        pixels: how many pixels an image has.
    """
    count = len(sums) * pixels
    mean, std = [], []
    for total, square in zip(sums.sum(0).tolist(), squares.sum(0).tolist(), strict=True):
        spread = count * square - total * total  # of bytes, whole numbers of any length: nothing cancels
        if isinstance(spread, float) and spread < ROUNDING * total * total:
            spread = 0
        mean.append(total / count)
        std.append((spread / (count * max(1, count - 1))) ** 0.5 or 1.0)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)
