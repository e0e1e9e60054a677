"""Decode a whole source into files, by several threads, in order."""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from attnspace.data.decoding import Damaged, decode, quiet
from attnspace.data.moments import moments
from attnspace.data.progress import Watch
from attnspace.data.source import Encoded, Source
from attnspace.errors import DataError

__all__ = ["LISTED", "Writing", "decode_source"]

CHUNK, CHUNK_BYTES, FIRST = 256, 2**22, 8
"""How many images (CHUNK) or bytes a thread decodes at a time; FIRST images before their size is known."""

LISTED = 10
"""How many faulty images are named; the others are only counted."""


@dataclass
class Writing:
    """A folder that is being filled with decoded images.

    Attributes:
        needed: bytes of all images, once the size of one is known.
    """

    folder: Path
    total: int
    needed: int = 0
    count: int = 0
    shape: tuple[int, ...] | None = None
    labels: list[int] = field(default_factory=list)
    sums: list[np.ndarray] = field(default_factory=list)
    squares: list[np.ndarray] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)

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
        sizes = Counter({self.shape: self.count} if self.shape else {}) + Counter(chunk.shapes)
        if len(sizes) > 1:
            raise _many_sizes(sizes)
        if self.shape is None:
            self.shape = chunk.shapes[0]
            self.needed = self.total * int(np.prod(self.shape))
            self.head(stream, self.total)
        stream.write(chunk.images.data.cast("B"))
        self.count += len(chunk.labels)
        self.labels += chunk.labels
        self.sums.append(chunk.sums)
        self.squares.append(chunk.squares)

    def head(self, stream: BinaryIO, count: int) -> None:
        """Write the head of the .npy file, as long for any count: numpy leaves room for the first axis to grow."""
        assert self.shape is not None
        described = {"descr": "|u1", "fortran_order": False, "shape": (count, *self.shape)}
        stream.seek(0)
        np.lib.format.write_array_header_1_0(stream, described)


@dataclass(frozen=True)
class Chunk:
    """Some decoded images, with the sums of each channel of each, and the faults among them: which, where, what."""

    shapes: list[tuple[int, ...]]
    images: np.ndarray
    labels: list[int]
    sums: np.ndarray
    squares: np.ndarray
    faults: list[tuple[int, str, str]]


def decode_source(source: Source, size: int | None, channels: int, writing: Writing, watch: Watch | None) -> None:
    """Write every usable image of a source, its label and its sums into the files of `writing.folder`.

    Raises:
        DataError: no image is usable, or the images are not of one size.
        OSError: the folder cannot be written.
    """
    done = 0
    with (writing.folder / "images.npy").open("wb") as stream:
        for chunk in _decoded(source, size, channels):
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
        assert stream.tell() + writing.count * int(np.prod(writing.shape or ())) == end
    for name, values in (
        ("labels", np.array(writing.labels, dtype=np.int64)),
        ("sums", np.concatenate(writing.sums)),
        ("squares", np.concatenate(writing.squares)),
    ):
        np.save(writing.folder / f"{name}.npy", values, allow_pickle=False)
    about = {
        "source": source.where,
        "classes": source.classes,
        "size": size,
        "images": writing.count,
        "faulty": writing.faulty,
        "faults": writing.faults,
        "left_out": writing.left_out,
    }
    (writing.folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _decoded(source: Source, size: int | None, channels: int) -> Iterator[Chunk]:
    """The decoded chunks of a source, in its order; a few are decoded ahead."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Chunk]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    images = source.images()
    try:
        with quiet():
            first = _decode_chunk(list(islice(images, FIRST)), size, channels)
            yield first
            length = min(CHUNK, max(1, CHUNK_BYTES // int(np.prod(first.shapes[0])))) if first.shapes else FIRST
            while items := list(islice(images, length)):
                waiting.append(pool.submit(_decode_chunk, items, size, channels))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_chunk(items: list[Encoded], size: int | None, channels: int) -> Chunk:
    images: list[np.ndarray] = []
    labels: list[int] = []
    faults: list[tuple[int, str, str]] = []
    for row, item in enumerate(items):
        if item.fault:
            faults.append((row, item.name, item.fault))
            continue
        try:
            images.append(decode(item.read(), size, channels))
            labels.append(item.label)
        except Damaged as cause:
            faults.append((row, item.name, str(cause)))
        except OSError as cause:
            faults.append((row, item.name, f"cannot be read: {cause.strerror}"))
    shapes = [image.shape for image in images]
    stacked = np.stack(images) if len(set(shapes)) == 1 else np.empty((0, channels, 1, 1), np.uint8)
    return Chunk(shapes, stacked, labels, *moments(stacked), faults)


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
