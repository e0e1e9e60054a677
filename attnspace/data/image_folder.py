"""image_folder: a folder of images for each class."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from attnspace.data.assembly import Sources, assemble
from attnspace.data.class_folders import SUFFIXES, ClassFolders, Listing, listed
from attnspace.data.files.listing import folders_in
from attnspace.data.files.names import Split, meant, split_of
from attnspace.data.hub import absent
from attnspace.data.options import DecodingOptions, drawn_instead
from attnspace.data.progress import Watch
from attnspace.data.section import FileData
from attnspace.data.split import Dataset
from attnspace.documents.validation import some_of
from attnspace.errors import DataError

__all__ = ["ImageFolderConfig", "load_image_folder"]

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\]+$")]

USUAL = {"train": "train", "val": "val", "test": "test"}
"""The names of the folders of splits where a study says nothing."""


class ImageFolderConfig(DecodingOptions, FileData):
    """Images in path/CLASS/..., or in path/train/CLASS/..., path/val/CLASS/... and path/test/CLASS/...; the classes are
    in the order of their names. Where there is no folder of validation or test images, `validation` and `test_images`
    are drawn from the others. A folder of a split may be called in any usual way: Train, training, valid, test_set.
    """

    kind: Literal["image_folder"]
    path: Annotated[str, Field(min_length=1, max_length=4_000, description="The folder.")]
    train: Annotated[
        Name | None,
        Field(description="The folder in it with the training images, if there is one; null: all folders are classes."),
    ] = "train"
    val: Annotated[
        Name | None,
        Field(description="The folder in it with the validation images, if there is one; null: they are drawn."),
    ] = "val"
    test: Annotated[
        Name | None, Field(description="The folder in it with the test images, if there is one; null: they are drawn.")
    ] = "test"

    def load(self, watch: Watch | None = None) -> Dataset:
        return load_image_folder(self, watch)


def load_image_folder(config: ImageFolderConfig, watch: Watch | None = None) -> Dataset:
    """Load the images of a folder.

    Raises:
        DataError: there are no such images, or they cannot be used.
    """
    root = Path(config.path).expanduser()
    if not root.is_dir():
        train, test = config.train or USUAL["train"], config.test or USUAL["test"]
        holds = f"CLASS/*.jpg, or {train}/CLASS/*.jpg and {test}/CLASS/*.jpg"
        raise absent("there is no folder", config.path, holds, hub=False)
    parts, notes = _parts(config, root) if config.train else ({}, ())
    listing = listed(parts.get("train", root))
    if "train" not in parts:
        _check_no_splits(listing, config.path)
    classes = listing.classes
    if len(classes) < 2:
        held = f"images of one class, {classes[0]}" if classes else "no images in folders of classes"
        raise DataError(
            f"{config.path} holds {held}",
            at=("path",),
            allowed=f"two folders or more, each named for a class and holding images ({', '.join(sorted(SUFFIXES))})",
            remedy=f"if {parts['train'].name} is a class: train: null" if parts and not classes else None,
        )
    listings = {"training": listing}
    further: dict[Split, str] = {"val": "validation", "test": "test"}
    for split, part in further.items():
        if split in parts:
            listings[part] = listed(parts[split])
            _check_classes(listings[part], classes, split)
    notes = (*(note for found in listings.values() for note in found.notes), *notes)
    made = {part: ClassFolders.of(part, config.path, found, classes) for part, found in listings.items()}
    sources = Sources(made["training"], made.get("validation"), made.get("test"))
    return assemble(config, sources, notes, watch)


def _parts(config: ImageFolderConfig, root: Path) -> tuple[dict[Split, Path], tuple[str, ...]]:
    """The folders of the splits that there are, and notes; none where the folders are those of classes.

    Raises:
        DataError: which folder is which split is not clear, or there is none of training images.
    """
    folders = {path.name: path for path in folders_in(root)}
    found: dict[Split, Path] = {}
    named: dict[Split, str | None] = {"train": config.train, "test": config.test, "val": config.val}
    for split, wanted in named.items():
        names = meant(wanted, folders) if wanted else ()
        if split == "val" and wanted == USUAL[split]:
            names = [name for name in names if folders[name] not in found.values()]
        if len(names) > 1:
            raise DataError(
                f"{config.path} holds several folders that may be those of the {split} images: {', '.join(names)}",
                at=(split,),
                remedy=f"rename all but one of them, or name one: {split}: {names[0]}",
            )
        for name in names:
            if folders[name] in found.values():
                raise DataError("names the folder of another split", at=(split,), got=wanted)
            found[split] = folders[name]
    if found and "train" not in found:
        name = next(iter(found.values())).name
        raise DataError(
            f"there is a folder {name} but no folder {config.train} in {config.path}",
            at=("train",),
            allowed=", ".join(folders),
            remedy=f"rename one to {config.train}, or, if {name} is a class: train: null",
        )
    return found, _part_notes(config, folders, found)


def _part_notes(config: ImageFolderConfig, folders: Mapping[str, Path], found: Mapping[Split, Path]) -> tuple[str, ...]:
    """Notes on the folders that are used, and those that are not."""
    notes = []
    if "val" in found:
        notes.append(drawn_instead(config, f"the images of {found['val'].name}"))
    if unused := [name for name, path in folders.items() if found and path not in found.values()]:
        notes.append(f"these folders are not used: {some_of(unused)}")
    return tuple(notes)


def _check_no_splits(listing: Listing, where: str) -> None:
    """Check that what is taken for classes are no splits.

    Raises:
        DataError: two folders hold folders of the same names.
    """
    for (one, inside), (other, as_well) in combinations(listing.inner_folders().items(), 2):
        if len(same := sorted(inside & as_well)) > 1:
            are_classes = all(split_of(name) for name in same)
            remedy = "rename them to train, val and test, or name them (train: ..., test: ...)"
            raise DataError(
                f"{one} and {other} in {where} both hold the folders {some_of(same)}",
                at=("path",),
                remedy=f"folders of splits hold those of classes: {same[0]}/{one}"
                if are_classes
                else f"if they are splits, {remedy}; if they are classes, put their images right into them",
            )


def _check_classes(listing: Listing, classes: tuple[str, ...], split: str) -> None:
    """Check the classes of validation or test images.

    Raises:
        DataError: a class has no training image, or there is no image at all.
    """
    name = listing.root.name
    if only := [found for found in listing.classes if found not in classes]:
        raise DataError(
            f"{name} holds images of classes that no training image has: {', '.join(only[:10])}",
            at=(split,),
            allowed=", ".join(classes[:20]) + (", ..." if len(classes) > 20 else ""),
        )
    if not listing.classes:
        raise DataError(
            f"{name} holds no images in folders of classes",
            at=(split,),
            got=name,
            remedy=f"{split}: null has {split} images drawn from the training images",
        )
