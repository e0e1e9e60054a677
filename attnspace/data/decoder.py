"""Decode a whole source into files, by several threads, in order."""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from attnspace.data.pixels.damaged import Damaged
from attnspace.data.pixels.decoding import Picture, Wanted, decode, quiet
from attnspace.data.pixels.moments import moments
from attnspace.data.progress import Watch
from attnspace.data.source import Encoded, Source
from attnspace.errors import DataError

__all__ = ["LISTED", "Writing", "decode_source"]

CHUNK, CHUNK_BYTES, FIRST = 256, 2**22, 8
"""How many images (CHUNK) or bytes a thread decodes at a time; FIRST images before their size is known."""

BYTES = np.dtype(np.uint8)

LISTED = 10
"""How many faulty images are named; the others are only counted."""


@dataclass
class Writing:
    """A folder that is being filled with decoded images.

    Attributes:
        needed: bytes of all images, once the size of one is known.
        values: the lowest and the highest value in the files of images that have more than 8 bits.
        cut: how many images have values outside of the stated ones.
        blended: how many images are transparent.
        several: how many files hold further images.
    """

    folder: Path
    total: int
    needed: int = 0
    count: int = 0
    shape: tuple[int, ...] | None = None
    dtype: np.dtype = BYTES
    labels: list[int] = field(default_factory=list)
    sums: list[np.ndarray] = field(default_factory=list)
    squares: list[np.ndarray] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    values: tuple[float, float] | None = None
    cut: int = 0
    blended: int = 0
    several: int = 0

    @property
    def faulty(self) -> int:
        """How many images were not usable."""
        return len(self.left_out)

    def add(self, chunk: Chunk, stream: BinaryIO) -> None:
        """Append the images of a chunk to those written before.

        Raises:
            DataError: the images are not of one size.
        """
        first = self.count + self.faulty
        self.left_out += [first + row for row, *_ in chunk.faults]
        self.faults = (self.faults + [(name, cause) for _, name, cause in chunk.faults])[:LISTED]
        if not chunk.labels:
            return
        if chunk.values is not None:
            low, high = self.values or chunk.values
            self.values = min(low, chunk.values[0]), max(high, chunk.values[1])
        self.cut += chunk.cut
        self.blended += chunk.blended
        self.several += chunk.several
        sizes = Counter({self.shape: self.count} if self.shape else {}) + Counter(chunk.shapes)
        if len(sizes) > 1:
            raise _many_sizes(sizes)
        if self.shape is None:
            self.shape = chunk.shapes[0]
            self.dtype = chunk.images.dtype
            self.needed = self.total * chunk.images[0].nbytes
            self.head(stream, self.total)
        stream.write(chunk.images.data.cast("B"))
        self.count += len(chunk.labels)
        self.labels += chunk.labels
        self.sums.append(chunk.sums)
        self.squares.append(chunk.squares)

    def clear(self) -> None:
        """Forget what was written, to begin again."""
        vars(self).update(vars(Writing(self.folder, self.total)))

    def head(self, stream: BinaryIO, count: int) -> None:
        """Write the head of the .npy file, as long for any count: numpy leaves room for the first axis to grow."""
        assert self.shape is not None
        described = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (count, *self.shape),
        }
        stream.seek(0)
        np.lib.format.write_array_header_1_0(stream, described)


@dataclass(frozen=True)
class Chunk:
    """Some decoded images, with the sums of each channel of each, and the faults among them: which, where, what.

    For `values`, `cut`, `blended` and `several` see `Writing`.
    """

    shapes: list[tuple[int, ...]]
    images: np.ndarray
    labels: list[int]
    sums: np.ndarray
    squares: np.ndarray
    faults: list[tuple[int, str, str]]
    values: tuple[float, float] | None
    cut: int
    blended: int
    several: int


class _FoundDeep(Exception):
    """An image of more than 8 bits among those that are decoded as bytes."""


def decode_source(source: Source, wanted: Wanted, writing: Writing, watch: Watch | None) -> None:
    """Write every usable image of a source, its label and its sums into the files of a folder.

    Where one has more than 8 bits, all of them are written as floating point numbers.

    Raises:
        DataError: no image is usable, or the images are not of one size.
        OSError: the folder cannot be written.
    """
    try:
        _write(source, wanted, writing, watch)
    except _FoundDeep:
        writing.clear()
        _write(source, replace(wanted, deep=True), writing, watch)


def _write(source: Source, wanted: Wanted, writing: Writing, watch: Watch | None) -> None:
    done = 0
    with (writing.folder / "images.npy").open("wb") as stream:
        for chunk in _decoded(source, wanted):
            writing.add(chunk, stream)
            done += len(chunk.labels) + len(chunk.faults)
            if watch:
                watch(f"decode {source.part} images", done, writing.total)
        if not writing.count:
            raise DataError(
                f"no {source.part} image in {source.where} is usable{_causes(writing.faults)}", at=("path",)
            )
        end = stream.tell()
        writing.head(stream, writing.count)
        assert stream.tell() + writing.count * int(np.prod(writing.shape or ())) * writing.dtype.itemsize == end
    for name, values in (
        ("labels", np.array(writing.labels, dtype=np.int64)),
        ("sums", np.concatenate(writing.sums)),
        ("squares", np.concatenate(writing.squares)),
    ):
        np.save(writing.folder / f"{name}.npy", values, allow_pickle=False)
    about = {
        "source": source.where,
        "classes": source.classes,
        "size": wanted.size,
        "images": writing.count,
        "faults": writing.faults,
        "left_out": writing.left_out,
        "values": writing.values,
        "cut": writing.cut,
        "blended": writing.blended,
        "several": writing.several,
    }
    (writing.folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _decoded(source: Source, wanted: Wanted) -> Iterator[Chunk]:
    """The decoded chunks of a source, in its order; a few are decoded ahead."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Chunk]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    images = source.images()
    try:
        with quiet():
            first = _decode_chunk(list(islice(images, FIRST)), wanted)
            yield first
            length = min(CHUNK, max(1, CHUNK_BYTES // first.images[:1].nbytes)) if len(first.images) else FIRST
            while items := list(islice(images, length)):
                waiting.append(pool.submit(_decode_chunk, items, wanted))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_chunk(items: list[Encoded], wanted: Wanted) -> Chunk:
    pictures: list[Picture] = []
    labels: list[int] = []
    faults: list[tuple[int, str, str]] = []
    for row, item in enumerate(items):
        if item.fault:
            faults.append((row, item.name, item.fault))
            continue
        try:
            pictures.append(decode(item.read(), wanted))
            labels.append(item.label)
        except Damaged as cause:
            faults.append((row, item.name, str(cause)))
        except OSError as cause:
            faults.append((row, item.name, f"cannot be read: {cause.strerror}"))
    values = [picture.values for picture in pictures if picture.values]
    if values and not wanted.deep:
        raise _FoundDeep
    shapes = [picture.pixels.shape for picture in pictures]
    one_size = len(set(shapes)) == 1
    images = np.stack([picture.pixels for picture in pictures]) if one_size else np.empty((0, 1, 1, 1), np.uint8)
    low, high = wanted.span or (-np.inf, np.inf)
    return Chunk(
        shapes,
        images,
        labels,
        *moments(images),
        faults,
        values=(min(low for low, _ in values), max(high for _, high in values)) if values else None,
        cut=sum(lowest < low or highest > high for lowest, highest in values),
        blended=sum(picture.blended for picture in pictures),
        several=sum(picture.several for picture in pictures),
    )


def _many_sizes(sizes: Counter[tuple[int, ...]]) -> DataError:
    found = ", ".join(f"{shape[2]} x {shape[1]} ({count:,})" for shape, count in sizes.most_common(5))
    more = f" and {len(sizes) - 5:,} more" if len(sizes) > 5 else ""
    return DataError(
        f"the first {sum(sizes.values()):,} images have {len(sizes):,} sizes, W x H: {found}{more}",
        at=("size",),
        remedy="set size: they are resized and cut to size x size",
    )


def _causes(faults: list[tuple[str, str]]) -> str:
    return ": " + "; ".join(f"{name} {cause}" for name, cause in faults[:3]) if faults else ""
