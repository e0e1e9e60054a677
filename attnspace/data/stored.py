"""Images in a file, read when they are asked for."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from attnspace.errors import DataError

__all__ = ["StoredImages", "npy_layout"]


TYPES = {np.dtype(np.uint8): torch.uint8, np.dtype("<f4"): torch.float32}
"""What images are kept as: bytes, or floating point numbers where they have more than 8 bits."""


def npy_layout(path: Path) -> tuple[tuple[int, ...], int, np.dtype]:
    """The shape of an .npy file of images in C order, where its values begin, and their type.

    Raises:
        ValueError: it is no such file, or is cut off.
    """
    with path.open("rb") as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("is not of version 1.0")
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        start = stream.tell()
    if in_columns or dtype not in TYPES:
        raise ValueError("does not hold images in C order")
    if path.stat().st_size != start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize:
        raise ValueError("is cut off")
    return shape, start, dtype


class StoredImages:
    """Some rows of an .npy file of (n, C, H, W) uint8 or float32; nothing is read before it is asked for.

    The file is read, not mapped: memory holds no second copy of it, and a file that was cut off is an error, where
    a map would end the process. Several threads may read at once.

    Args:
        path: the file.
        rows: which of its rows, in this order; None for all.

    Raises:
        ValueError: it is no such file.
    """

    def __init__(self, path: Path, rows: np.ndarray | None = None) -> None:
        self.path = path
        (count, *shape), self._start, self._kept_as = npy_layout(path)
        self._image: tuple[int, int, int] = (shape[0], shape[1], shape[2])
        self._rows = np.arange(count) if rows is None else np.asarray(rows, dtype=np.int64)
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of all images together, (n, C, H, W)."""
        return len(self._rows), *self._image

    @property
    def dtype(self) -> torch.dtype:
        """The type of the pixels."""
        return TYPES[self._kept_as]

    @property
    def nbytes(self) -> int:
        """How many bytes all images take up in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self._kept_as.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, chosen: Tensor | None = None) -> Tensor:
        """Read images into memory: those of these numbers, in this order; by default all of them.

        Shape:
            (k,) int64 -> (k, C, H, W) uint8 or float32

        Raises:
            DataError: the file cannot be read any more.
        """
        rows = self._rows if chosen is None else self._rows[chosen.numpy()]
        out = torch.empty((len(rows), *self._image), dtype=self.dtype)
        self._read_into(out, rows)
        return out

    def _read_into(self, out: Tensor, rows: np.ndarray) -> None:
        """Read rows of the file into `out`, each run of neighbouring rows at once."""
        if not len(rows):
            return
        size = int(np.prod(self._image)) * self._kept_as.itemsize
        target = out.numpy().reshape(-1).view(np.uint8).data
        ends = [*(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        begin = 0
        for end in ends:
            self._read_bytes(target[begin * size : end * size], self._start + int(rows[begin]) * size)
            begin = end

    def _read_bytes(self, target: memoryview, at: int) -> None:
        while len(target):  # one read gives 2 GiB at most
            try:
                got = os.preadv(self._file, [target], at)
            except OSError as cause:
                raise DataError(f"cannot be read: {cause.strerror}", file=str(self.path)) from None
            if not got:
                raise DataError("was cut off", file=str(self.path), remedy="start again: it is decoded anew")
            target, at = target[got:], at + got
