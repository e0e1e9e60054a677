"""The cache of decoded images: a source is decoded once for each size and number of channels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attnspace.data.decoder import Writing, decode_source
from attnspace.data.digests import content, state
from attnspace.data.folders import appearing, cache_folder, discard, unwritable
from attnspace.data.progress import Watch
from attnspace.data.source import Source
from attnspace.data.stored import StoredImages, npy_layout
from attnspace.errors import DataError

__all__ = ["Decoded", "FORMAT", "decoded"]

FORMAT = 1
"""The version of what is kept; a change in what decoding gives needs a new one."""

DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError)
"""The exceptions that reading a damaged folder raises."""


@dataclass(frozen=True)
class Decoded:
    """The usable images of a source.

    Attributes:
        key: a digest that is the same for the same bytes decoded in the same way.
        labels: (n,) int64.
        sums, squares: (n, C) int64, sums of the pixels and of their squares, in each channel of each image.
        faulty: how many images were not usable.
        faults: where the first of them stand, and what is wrong with each.
        left_out: the numbers in the source of those that were not usable.
    """

    key: str
    folder: Path
    labels: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    faulty: int
    faults: tuple[tuple[str, str], ...]
    left_out: np.ndarray

    @property
    def pixels(self) -> int:
        """How many pixels an image has."""
        return int(np.prod(self.images().shape[2:]))

    def images(self, rows: np.ndarray | None = None) -> StoredImages:
        """The images of these rows, by default of all; they are read when they are asked for."""
        return StoredImages(self.folder / "images.npy", rows)


def decoded(source: Source, size: int | None, channels: int, watch: Watch | None = None) -> Decoded:
    """The images of a source: from the cache, or decoded now and kept there.

    Raises:
        DataError: the source cannot be read, no image is usable, sizes differ, or the cache cannot be written.
    """
    before = state(source.files)
    parts = [FORMAT, content(source.files, watch).whole, size, channels, source.classes]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    folder = cache_folder() / "images" / key
    writing = Writing(folder, len(source))
    try:
        if folder.is_dir():
            try:
                return _opened(key, folder)
            except DAMAGE:
                discard(folder)
        with appearing(folder) as writing.folder:
            decode_source(source, size, channels, writing, watch)
            if state(source.files) != before:
                raise DataError(f"{source.where} changed while it was read", at=("path",), remedy="start again")
    except OSError as cause:
        raise unwritable(cause, writing.needed) from None
    return _opened(key, folder)


def _opened(key: str, folder: Path) -> Decoded:
    """Read what a folder of the cache keeps.

    Raises:
        OSError, EOFError, KeyError, TypeError, ValueError: the folder is damaged.
    """
    about = json.loads((folder / "about.json").read_bytes())
    labels, sums, squares = (_array(folder / f"{name}.npy") for name in ("labels", "sums", "squares"))
    shape, _ = npy_layout(folder / "images.npy")
    if len(shape) != 4 or not len(labels) == len(sums) == len(squares) == shape[0] == about["images"]:
        raise ValueError("holds files of different lengths")
    faults = tuple((name, cause) for name, cause in about["faults"])
    # earlier versions did not say which images they left out; where there is none, it is known
    left_out = about["left_out"] if about["faulty"] else []
    return Decoded(key, folder, labels, sums, squares, about["faulty"], faults, np.array(left_out, dtype=np.int64))


def _array(path: Path) -> np.ndarray:
    found = np.load(path, allow_pickle=False)
    if found.dtype != np.int64:
        raise ValueError(f"{path.name} does not hold whole numbers")
    return found
