"""An array that grows row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["GrowingArray"]


class GrowingArray:
    """An array to which rows are added one at a time; making room for one takes constant time in the mean.

    Args:
        width: how many numbers a row has.
        dtype: their type.
    """

    def __init__(self, width: int, dtype: type = np.float64) -> None:
        # Axes are exchanged: numpy goes through long rows fast, and through many short ones slowly.
        self._columns: np.ndarray = np.empty((width, 64), dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> np.ndarray:
        """All rows, (n, width): a view through which they can be changed, until the next is added."""
        return self._columns[:, : self._count].T

    @property
    def columns(self) -> np.ndarray:
        """The same with the axes exchanged, (width, n)."""
        return self._columns[:, : self._count]

    def append(self, row: Sequence[float] | np.ndarray) -> int:
        """Add a row, and return its index."""
        if self._count == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.empty_like(self._columns)], axis=1)
        self._columns[:, self._count] = row
        self._count += 1
        return self._count - 1
