"""The cache of decoded images: a source is decoded once for each way in which its images become numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attnspace.data.decoder import Writing, decode_source
from attnspace.data.digests import Content, content, state
from attnspace.data.folders import appearing, cache_folder, discard, unwritable
from attnspace.data.pixels.decoding import Wanted
from attnspace.data.progress import Watch
from attnspace.data.source import Source
from attnspace.data.stored import StoredImages, npy_layout
from attnspace.errors import DataError

__all__ = ["Decoded", "FORMAT", "decoded"]

FORMAT = 2
"""The version of what is kept; a change in what decoding gives needs a new one."""

OPAQUE_BYTES = 1
"""The version since which decoding gives the same for opaque images of 8 bits, whose key stays the same."""

DIGESTS = "digests.json"
"""The file of a folder that holds the digests of the others."""

DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError)
"""The exceptions that reading a damaged folder raises."""


@dataclass(frozen=True)
class Decoded:
    """The usable images of a source.

    Attributes:
        key: a digest that is the same for the same bytes decoded in the same way.
        content: the digests of the source's files.
        labels: (n,) int64.
        sums, squares: (n, C) int64, sums of the pixels and of their squares, in each channel of each image; float64
            where images have more than 8 bits.
        faults: where the first of those stand that are not usable, and what is wrong with each.
        left_out: the numbers in the source of all that are not usable.
        values: the lowest and the highest value in files of more than 8 bits; None where there are none.
        cut: how many of these have values outside of those that were stated.
        blended: how many images are transparent, and were laid on a background.
        several: how many files hold further images, of an animation or a stack.
    """

    key: str
    folder: Path
    content: Content
    labels: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    faults: tuple[tuple[str, str], ...]
    left_out: np.ndarray
    values: tuple[float, float] | None
    cut: int
    blended: int
    several: int

    @property
    def faulty(self) -> int:
        """How many images were not usable."""
        return len(self.left_out)

    @property
    def is_deep(self) -> bool:
        """Whether the images are floating point numbers, as some have more than 8 bits."""
        return self.sums.dtype == np.float64

    @property
    def pixels(self) -> int:
        """How many pixels an image has."""
        return int(np.prod(self.images().shape[2:]))

    def images(self, rows: np.ndarray | None = None) -> StoredImages:
        """The images of these rows, by default of all; they are read when they are asked for."""
        return StoredImages(self.folder / "images.npy", rows)


def decoded(source: Source, wanted: Wanted, watch: Watch | None = None) -> Decoded:
    """The images of a source: from the cache, or decoded now and kept there.

    Raises:
        DataError: the source cannot be read, no image is usable, sizes differ, or the cache cannot be written.
    """
    found = content(source.files, watch)
    parts = [found.whole, wanted.size, wanted.channels, source.classes]
    look = [wanted.background, wanted.span, wanted.deep]
    folder = cache_folder() / "images" / _digest(FORMAT, *parts, *look)
    writing = Writing(folder, len(source))
    try:
        if folder.is_dir():
            try:
                return _opened(folder, found, parts, look)
            except DAMAGE:
                discard(folder)
        with appearing(folder) as writing.folder:
            decode_source(source, wanted, writing, watch)
            (writing.folder / DIGESTS).write_text(json.dumps(content(_kept(writing.folder)).each), encoding="utf-8")
            if state(source.files) != found.state:
                raise DataError(f"{source.where} changed while it was read", at=("path",), remedy="start again")
    except OSError as cause:
        raise unwritable(cause, writing.needed) from None
    return _opened(folder, found, parts, look)


def _kept(folder: Path) -> list[tuple[str, Path]]:
    """The files of a folder by their names, but for that of their digests."""
    return [(name, folder / name) for name in ("about.json", "images.npy", "labels.npy", "squares.npy", "sums.npy")]


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _opened(folder: Path, source: Content, parts: list[Any], look: list[Any]) -> Decoded:
    """Read what a folder of the cache keeps, if it is what was written there, as far as sizes and times of change tell:
    its key says what it was decoded from, so that labels or pixels which have changed since would count as those.

    Args:
        folder: the folder.
        source: the digests of the files that it was decoded from.
        parts: what the key of any images is made of.
        look: what that of transparent images, and of those of more than 8 bits, is made of besides.

    Raises:
        OSError, EOFError, KeyError, TypeError, ValueError: the folder is damaged.
    """
    if list(content(_kept(folder)).each) != json.loads((folder / DIGESTS).read_bytes()):
        raise ValueError("holds other files than were written there")
    about = json.loads((folder / "about.json").read_bytes())
    shape, _, dtype = npy_layout(folder / "images.npy")
    labels = _array(folder / "labels.npy", np.int64)
    sums, squares = (_array(folder / f"{name}.npy", np.int64, np.float64) for name in ("sums", "squares"))
    if len(shape) != 4 or not len(labels) == len(sums) == len(squares) == shape[0] == about["images"]:
        raise ValueError("holds files of different lengths")
    is_new = dtype != np.uint8 or about["blended"] > 0
    return Decoded(
        key=_digest(FORMAT, *parts, *look) if is_new else _digest(OPAQUE_BYTES, *parts),
        folder=folder,
        content=source,
        labels=labels,
        sums=sums,
        squares=squares,
        faults=tuple((name, cause) for name, cause in about["faults"]),
        left_out=np.array(about["left_out"], dtype=np.int64),
        values=about["values"] and (about["values"][0], about["values"][1]),
        cut=about["cut"],
        blended=about["blended"],
        several=about["several"],
    )


def _array(path: Path, *kinds: type) -> np.ndarray:
    found = np.load(path, allow_pickle=False)
    if found.dtype not in kinds:
        raise ValueError(f"{path.name} does not hold numbers of the right type")
    return found
