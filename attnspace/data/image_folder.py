"""image_folder: a folder of images for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from attnspace.data.assembly import assemble
from attnspace.data.hub import absent
from attnspace.data.options import DecodingOptions
from attnspace.data.progress import Watch
from attnspace.data.section import FileData
from attnspace.data.source import Encoded
from attnspace.data.split import Dataset
from attnspace.errors import DataError

__all__ = ["ImageFolderConfig", "SUFFIXES", "load_image_folder"]

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\]+$")]


class ImageFolderConfig(DecodingOptions, FileData):
    """Images in path/CLASS/..., or in path/train/CLASS/... and path/test/CLASS/...; the classes are in the order of
    their names. Where there is no folder of test images, `test_images` are drawn from the others.
    """

    kind: Literal["image_folder"]
    path: Annotated[str, Field(min_length=1, max_length=4_000, description="The folder.")]
    train: Annotated[Name, Field(description="The folder in it with the training images, if there is one.")] = "train"
    test: Annotated[Name, Field(description="The folder in it with the test images, if there is one.")] = "test"

    def load(self, watch: Watch | None = None) -> Dataset:
        return load_image_folder(self, watch)


@dataclass(frozen=True)
class Folder:
    """The image files of one split.

    Attributes:
        root: the folder that holds the folders of the classes.
        listed: the class number and path of each file, in the order of classes and names.
    """

    part: str
    where: str
    classes: tuple[str, ...]
    root: Path
    listed: tuple[tuple[int, Path], ...]

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """Every file, with its path from `root` as its name."""
        return tuple((path.relative_to(self.root).as_posix(), path) for _, path in self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    def images(self) -> Iterator[Encoded]:
        """Every file as an encoded image."""
        for label, path in self.listed:
            yield Encoded(path.relative_to(self.root).as_posix(), path.read_bytes, label)


@dataclass(frozen=True)
class Listing:
    """Image files by class, and how many others there are."""

    images: dict[str, list[Path]]
    others: int


def load_image_folder(config: ImageFolderConfig, watch: Watch | None = None) -> Dataset:
    """Load the images of a folder.

    Raises:
        DataError: there are no such images, or they cannot be used.
    """
    root = Path(config.path).expanduser()
    if not root.is_dir():
        holds = f"CLASS/*.jpg, or {config.train}/CLASS/*.jpg and {config.test}/CLASS/*.jpg"
        raise absent("there is no folder", config.path, holds, hub=False)
    train_root, test_root = _parts(config, root)
    train = _listed(train_root)
    classes = tuple(sorted(name for name, files in train.images.items() if files))
    if len(classes) < 2:
        found = f"images of one class, {classes[0]}" if classes else "no images in folders of classes"
        raise DataError(
            f"{config.path} holds {found}",
            at=("path",),
            allowed=f"two folders or more, each named for a class and holding images ({', '.join(sorted(SUFFIXES))})",
        )
    notes = _notes(train, train_root)
    sources = [_folder("training", config.path, train_root, train, classes)]
    if test_root is not None:
        test = _listed(test_root)
        _check_test(test, classes, config.test)
        notes += _notes(test, test_root)
        sources.append(_folder("test", config.path, test_root, test, classes))
    return assemble(config, sources[0], sources[1] if test_root else None, notes, watch)


def _parts(config: ImageFolderConfig, root: Path) -> tuple[Path, Path | None]:
    """The folders of training and test images.

    Raises:
        DataError: there is a folder of test images only.
    """
    train, test = root / config.train, root / config.test
    if not train.is_dir():
        if test.is_dir():
            raise DataError(
                f"there is a folder {config.test} but no folder {config.train} in {config.path}",
                at=("train",),
                allowed=", ".join(path.name for path in _folders(root)),
            )
        return root, None
    return train, test if test.is_dir() else None


def _listed(root: Path) -> Listing:
    """List every image below each folder of a class; hidden files are ignored."""
    others = sum(path.is_file() and not path.name.startswith(".") for path in root.iterdir())
    images: dict[str, list[Path]] = {}
    for folder in _folders(root):
        found: list[str] = []
        for above, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [f"{above}/{name}" for name in names if not name.startswith(".")]
        chosen = sorted(path for path in found if os.path.splitext(path)[1].lower() in SUFFIXES)  # noqa: PTH122
        others += len(found) - len(chosen)
        images[folder.name] = [Path(path) for path in chosen]
    return Listing(images, others)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _folder(part: str, where: str, root: Path, listing: Listing, classes: tuple[str, ...]) -> Folder:
    listed = tuple((label, path) for label, name in enumerate(classes) for path in listing.images.get(name, []))
    return Folder(part, where, classes, root, listed)


def _check_test(test: Listing, classes: tuple[str, ...], name: str) -> None:
    known = set(classes)
    if only := sorted(found for found, files in test.images.items() if files and found not in known):
        raise DataError(
            f"{name} holds images of classes that no training image has: {', '.join(only[:10])}",
            at=("test",),
            allowed=", ".join(classes[:20]) + (", ..." if len(classes) > 20 else ""),
        )
    if not any(test.images.values()):
        raise DataError(f"{name} holds no images", at=("test",), got=name)


def _notes(listing: Listing, root: Path) -> tuple[str, ...]:
    notes = []
    if listing.others:
        one = listing.others == 1
        said = "file of {} is no image and is ignored" if one else "files of {} are no images and are ignored"
        notes.append(f"{listing.others:,} {said.format(root.name)}")
    if empty := sorted(name for name, files in listing.images.items() if not files):
        notes.append(f"no images in these folders of {root.name}, which are no classes: {', '.join(empty[:10])}")
    return tuple(notes)
