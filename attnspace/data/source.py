"""A source of encoded images: its files, and its images one after the other, not yet decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from attnspace.data.digests import Content
from attnspace.data.progress import Watch

__all__ = ["Encoded", "Labelled", "Source", "label_fault"]


@dataclass(frozen=True)
class Labelled:
    """What a source says of one image's class, known without a look at the image.

    Attributes:
        name: where the image stands, for messages.
        label: the number of its class; -1 where it has none that is usable.
        fault: what is wrong with the label, in words.
    """

    name: str
    label: int
    fault: str | None = None


@dataclass(frozen=True)
class Encoded:
    """One image as it stands in its source.

    Attributes:
        name: where the image stands, for messages.
        read: gives the image's bytes.
        label: the number of its class.
        fault: what is wrong with it, where this is known before it is decoded.
    """

    name: str
    read: Callable[[], bytes]
    label: int
    fault: str | None = None


class Source(Protocol):
    """The images of one split, in a fixed order.

    Attributes:
        part: `training`, `validation` or `test`, for messages.
        where: the folder or file that the user named.
        classes: class names, in the order of the labels.
        files: every file with a name that is the same wherever the files are kept.
    """

    @property
    def part(self) -> str: ...

    @property
    def where(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def files(self) -> tuple[tuple[str, Path], ...]: ...

    def __len__(self) -> int: ...

    def images(self) -> Iterator[Encoded]:
        """Every image, faulty ones too."""
        ...

    def labels(self) -> Iterator[Labelled]:
        """The label of every image; no image is read."""
        ...

    def digests(self, content: Content, watch: Watch | None = None) -> np.ndarray:
        """A digest of every image's bytes, (n,) of bytes; empty where there are none. `content` is of its files."""
        ...


def label_fault(label: object, classes: int) -> str | None:
    """The fault of a label, in words; None if it has none."""
    if not isinstance(label, int):
        return "has no label"
    if label < 0:
        return f"label {label} is negative"
    return f"label {label} is beyond the {classes} classes" if label >= classes else None
