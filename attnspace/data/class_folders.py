"""Image files in a folder for each class, as a source of encoded images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attnspace.data.digests import Content
from attnspace.data.files.listing import file_fault, files_below, files_in, folders_in
from attnspace.data.files.names import composed
from attnspace.data.progress import Watch
from attnspace.data.source import Encoded, Labelled

__all__ = ["ClassFolders", "Listing", "SUFFIXES", "listed"]

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


@dataclass(frozen=True)
class Listing:
    """The image files below a folder, by class.

    Attributes:
        root: the folder that holds the folders of the classes.
        images: class name -> name and path of each of its files, in the order of the names, which begin at `root`.
        others: how many files are no images.
    """

    root: Path
    images: dict[str, list[tuple[str, Path]]]
    others: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that have an image, in order."""
        return tuple(sorted(name for name, files in self.images.items() if files))

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what is no image, or no class."""
        notes = []
        if self.others:
            said = "file of {} is no image and is" if self.others == 1 else "files of {} are no images and are"
            notes.append(f"{self.others:,} {said.format(self.root.name)} ignored")
        if empty := sorted(name for name, files in self.images.items() if not files):
            named = ", ".join(empty[:10])
            notes.append(f"no images in these folders of {self.root.name}, which are no classes: {named}")
        return tuple(notes)

    def inner_folders(self) -> dict[str, set[str]]:
        """Class name -> the folders in its folder that its images lie in; of classes that have most of them there."""
        found = {}
        for name, files in self.images.items():
            paths = [Path(file).parts for file, _ in files]
            inner = [parts[1] for parts in paths if len(parts) > 2]
            if len(inner) > len(paths) / 2:
                found[name] = set(inner)
        return found


@dataclass(frozen=True)
class ClassFolders:
    """The image files of one split.

    Attributes:
        listed: the class number, the name and the path of each file, in the order of classes and names.
    """

    part: str
    where: str
    classes: tuple[str, ...]
    listed: tuple[tuple[int, str, Path], ...]

    @classmethod
    def of(cls, part: str, where: str, listing: Listing, classes: tuple[str, ...]) -> ClassFolders:
        """The files of a listing, with classes by number."""
        numbered = [(label, listing.images.get(name, [])) for label, name in enumerate(classes)]
        return cls(part, where, classes, tuple((label, *file) for label, files in numbered for file in files))

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """Every file by its name."""
        return tuple((name, path) for _, name, path in self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    def images(self) -> Iterator[Encoded]:
        """Every file as an encoded image."""
        for label, name, path in self.listed:
            yield Encoded(name, path.read_bytes, label, file_fault(path))

    def labels(self) -> Iterator[Labelled]:
        """The class of every file, which its folder says."""
        return (Labelled(name, label) for label, name, _ in self.listed)

    def digests(self, content: Content, watch: Watch | None = None) -> np.ndarray:
        """The digest of every file."""
        return np.array(content.each, dtype=np.bytes_)


def listed(root: Path) -> Listing:
    """List every image below each folder of a class; hidden files are ignored.

    Folders whose names are the same in Unicode's composed form are one class.

    Raises:
        DataError: a folder cannot be read.
    """
    others = len(files_in(root))
    images: dict[str, list[tuple[str, Path]]] = {}
    for folder in folders_in(root):
        found = files_below(folder)
        chosen = [path for path in found if path.suffix.lower() in SUFFIXES]
        others += len(found) - len(chosen)
        named = [(composed(path.relative_to(root).as_posix()), path) for path in chosen]
        images.setdefault(composed(folder.name), []).extend(named)
    return Listing(root, {name: sorted(files) for name, files in images.items()}, others)
