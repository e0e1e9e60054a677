"""import: images from a function of the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch

from attnspace.data.drawing import draw_rows
from attnspace.data.notes import absent_classes, drawn_note, fingerprint
from attnspace.data.options import SplitOptions, drawn_instead
from attnspace.data.pixels.moments import mean_and_std, moments
from attnspace.data.progress import Watch
from attnspace.data.same_images import Marked, same_image_notes
from attnspace.data.section import Data
from attnspace.data.split import Dataset, DataSplit
from attnspace.documents.imports import Imported, users_code
from attnspace.errors import DataError

__all__ = ["ImportedConfig", "load_imported"]

KEYS = ("train", "validation", "test", "classes")
BLOCK = 1_024
MAX_CLASSES = 1_000_000


class ImportedConfig(Imported, SplitOptions, Data):
    """A function that returns `{train: (images, labels), validation: ..., test: ..., classes: names}`.

    Images are (n, C, H, W), tensors or arrays: uint8, or numbers of more bits, which become float32. Labels are whole
    numbers from 0 on. Validation and test images that are missing or None are drawn from the training images; without
    `classes` they are numbers.
    """

    kind: Literal["import"] = "import"

    def located(self, folder: Path, override: Path | None = None) -> Self:
        return super().located(folder) if override is None else Data.located(self, folder, override)

    def load(self, watch: Watch | None = None) -> Dataset:
        return load_imported(self)


Arrays = tuple[np.ndarray, np.ndarray]


def load_imported(config: ImportedConfig) -> Dataset:
    """Make a dataset of what the user's function returns.

    Raises:
        DataError: the function cannot be imported, it raises, or what it returns cannot be used.
    """
    returned = _returned(config)
    train = _arrays(returned, "train")
    if train is None:
        raise _wrong("returns no training images", allowed="train: (images, labels)")
    validation, test = _arrays(returned, "validation"), _arrays(returned, "test")
    for name, part in (("validation", validation), ("test", test)):
        if part is not None and part[0].shape[1:] != train[0].shape[1:]:
            raise _wrong(
                f"{name} images have the shape {list(part[0].shape[1:])}, training images {list(train[0].shape[1:])}"
            )
        if part is not None and part[0].dtype != train[0].dtype:
            raise _wrong(f"{name} images are {part[0].dtype}, training images {train[0].dtype}", allowed="one type")
    classes = _classes(returned.get("classes"), train[1])
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        if part is not None:
            _check_labels(name, part[1], len(classes))
    return _dataset(config, train, validation, test, classes)


def _dataset(
    config: ImportedConfig,
    train: Arrays,
    validation: Arrays | None,
    test: Arrays | None,
    classes: tuple[str, ...],
    redraw: int | None = None,
) -> Dataset:
    if len(np.unique(train[1])) < 2:
        raise _wrong("all training images are of one class", allowed="images of two classes or more")
    rows = draw_rows(train[1], classes, config, validation=validation is None, test=test is None, redraw=redraw)
    parts = {"train": _split(train, rows.train)}
    for name, given, drawn in (("validation", validation, rows.validation), ("test", test, rows.test)):
        parts[name] = _split(train, drawn) if given is None else _split(given)
    images = parts["train"].images
    assert isinstance(images, torch.Tensor)
    sums, squares = zip(*(moments(block.numpy()) for block in images.split(BLOCK)), strict=True)
    mean, std = mean_and_std(np.concatenate(sums), np.concatenate(squares), images[0, 0].numel())
    notes: tuple[str, ...] = () if rows.test is None else (drawn_note(len(rows.test), len(train[1])),)
    notes += () if validation is None else (drawn_instead(config, "images of the function"),)
    splits = {"training": parts["train"], "validation": parts["validation"], "test": parts["test"]}
    labels = {name: split.labels.numpy() for name, split in splits.items()}
    return Dataset(
        train=parts["train"],
        validation=parts["validation"],
        classes=classes,
        mean=mean,
        std=std,
        fingerprint=fingerprint(config, rows, _digest([train, *([validation] if validation else [])], classes)),
        notes=(
            *notes,
            *absent_classes(np.concatenate((train[1], labels["validation"])), labels, classes),
            *same_image_notes({name: _marked(split) for name, split in splits.items()}, classes),
        ),
        test_counts=tuple(np.bincount(labels["test"], minlength=len(classes)).tolist()),
        _test=lambda: parts["test"],
        _redraw=None if validation else lambda number: _dataset(config, train, validation, test, classes, number),
    )


def _returned(config: ImportedConfig) -> Mapping[str, Any]:
    function = config.function(DataError)
    try:
        with users_code():
            found = function(**config.args)
    except Exception as cause:  # whatever the user's code raises
        raise DataError(f"raises {type(cause).__name__}: {cause}", at=("import",), got=config.target) from cause
    if not isinstance(found, Mapping):
        raise _wrong(f"returns a {type(found).__name__}", allowed=f"a mapping with {', '.join(KEYS)}")
    if unknown := [key for key in found if key not in KEYS]:
        raise _wrong(f"returns an unknown key {unknown[0]!r}", allowed=", ".join(KEYS))
    return found


def _arrays(returned: Mapping[str, Any], name: str) -> Arrays | None:
    """Images and labels of one split, each checked by itself; None where there are none."""
    given = returned.get(name)
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise _wrong(f"{name} is a {type(given).__name__}", allowed="(images, labels)")
    images, labels = (_array(name, value) for value in given)
    if images.ndim != 4 or images.dtype.kind not in "uif" or 0 in images.shape:
        raise _wrong(
            f"{name} images are {images.dtype} of the shape {list(images.shape)}",
            allowed="uint8 or float32 of the shape n,C,H,W",
        )
    if images.dtype != np.uint8:
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            images = images.astype(np.float32)
        if not np.isfinite(images).all():
            raise _wrong(f"{name} images hold what is no finite number")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise _wrong(
            f"{name} labels are {labels.dtype} of the shape {list(labels.shape)}",
            allowed="whole numbers of the shape n",
        )
    if len(labels) != len(images):
        raise _wrong(f"{name} has {len(images):,} images and {len(labels):,} labels")
    return np.require(images, requirements=["C", "W"]), labels.astype(np.int64)


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    except (TypeError, ValueError) as cause:  # bfloat16, or lists of different lengths
        raise _wrong(f"{name} holds what is no array: {cause}") from None


def _classes(given: Any, labels: np.ndarray) -> tuple[str, ...]:
    if given is None:
        given = max(int(labels.max()), 0) + 1
        if given > MAX_CLASSES:
            raise _wrong(
                f"a label is {given - 1:,}, and there are no classes", allowed=f"up to {MAX_CLASSES:,} classes"
            )
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return tuple(str(number) for number in range(given))
    if isinstance(given, tuple | list) and given:
        return tuple(str(name) for name in given)
    raise _wrong(f"classes is {given!r}", allowed="a list of names, or how many there are")


def _check_labels(name: str, labels: np.ndarray, classes: int) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        first = int(wrong[0])
        raise _wrong(
            f"{len(wrong):,} of {len(labels):,} {name} labels are no class, "
            f"such as {int(labels[first])} of image {first}",
            allowed=f"0 to {classes - 1}",
        )


def _split(arrays: Arrays, rows: np.ndarray | None = None) -> DataSplit:
    images, labels = (torch.from_numpy(array) for array in arrays)
    if rows is None or len(rows) == len(labels):
        return DataSplit(images, labels)
    chosen = torch.from_numpy(rows)
    return DataSplit(images[chosen], labels[chosen])


def _marked(split: DataSplit) -> Marked:
    """A digest and the label of every image."""
    assert isinstance(split.images, torch.Tensor)
    digests = [hashlib.blake2b(image.data, digest_size=16).hexdigest() for image in split.images.numpy()]
    return Marked(np.array(digests, dtype=np.bytes_), split.labels.numpy())


def _digest(parts: list[Arrays], classes: tuple[str, ...]) -> str:
    whole = hashlib.sha256(repr(classes).encode())
    for images, labels in parts:
        whole.update(repr(images.shape).encode())
        whole.update(images.data.cast("B"))
        whole.update(labels.data.cast("B"))
    return whole.hexdigest()


def _wrong(what: str, allowed: str | None = None) -> DataError:
    return DataError(what, at=("import",), allowed=allowed)
