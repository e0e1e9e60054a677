"""Assemble a dataset from decoded sources: report faults, draw splits, sum up pixels."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import torch

from attnspace.data.cache import Decoded, decoded
from attnspace.data.decoder import LISTED
from attnspace.data.drawing import draw_rows
from attnspace.data.moments import mean_and_std
from attnspace.data.options import DecodingOptions
from attnspace.data.progress import Watch
from attnspace.data.source import Source
from attnspace.data.split import Dataset, DataSplit
from attnspace.errors import DataError

__all__ = ["absent_classes", "assemble", "drawn_note", "fingerprint"]


def assemble(
    config: DecodingOptions, train: Source, test: Source | None, notes: tuple[str, ...], watch: Watch | None
) -> Dataset:
    """Make a dataset of encoded sources, whose test images are decoded only when they are asked for.

    Raises:
        DataError: the sources cannot be used as the configuration says.
    """
    kept, left_out = _usable(config, train, watch)
    classes = train.classes
    rows = draw_rows(kept.labels, classes, config, validation=True, test=test is None)
    pixels = int(np.prod(kept.images(rows.train[:1]).shape[2:]))
    mean, std = mean_and_std(kept.sums[rows.train], kept.squares[rows.train], pixels)

    def split(chosen: np.ndarray) -> DataSplit:
        return DataSplit(kept.images(chosen), torch.from_numpy(kept.labels[chosen]))

    def test_split() -> DataSplit:
        if test is None:
            assert rows.test is not None
            return split(rows.test)
        found, noted = _usable(config, test, watch)
        if (shape := found.images().shape[1:]) != (expected := kept.images().shape[1:]):
            raise DataError(
                f"test images are {shape[2]} x {shape[1]} pixels, training images {expected[2]} x {expected[1]}",
                at=("size",),
                remedy="set size",
            )
        return DataSplit(found.images(), torch.from_numpy(found.labels), noted)

    assert rows.validation is not None
    drawn = () if rows.test is None else (drawn_note(len(rows.test), len(kept.labels)),)
    return Dataset(
        train=split(rows.train),
        validation=split(rows.validation),
        classes=classes,
        mean=mean,
        std=std,
        fingerprint=fingerprint(kept.key, config, test_drawn=test is None),
        notes=(*notes, *left_out, *drawn, *absent_classes(kept.labels, classes)),
        _test=test_split,
    )


def fingerprint(content: str, config: Any, *, test_drawn: bool) -> str:
    """A digest of what decides the training and validation splits: the images and how they are split."""
    parts = [content, config.validation, config.split_seed, config.train_images]
    parts += [config.test_images] if test_drawn else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def drawn_note(drawn: int, count: int) -> str:
    """The note on a test split that was drawn from the other images, as the source has none."""
    return f"there is no test split: {drawn:,} of the {count:,} images were drawn for it, class by class"


def absent_classes(labels: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A note on the classes without an image; nothing if every class has one."""
    found = np.bincount(labels, minlength=len(classes))
    names = [name for name, count in zip(classes, found.tolist(), strict=True) if not count]
    if not names:
        return ()
    return (f"{len(names)} of {len(classes)} classes have no image: {', '.join(names[:LISTED])}",)


def _usable(config: DecodingOptions, source: Source, watch: Watch | None) -> tuple[Decoded, tuple[str, ...]]:
    """The decoded images of a source, and a note on those that are left out.

    Raises:
        DataError: some images cannot be used, and the configuration does not leave them out.
    """
    kept = decoded(source, config.size, config.channels, watch)
    if not kept.faulty:
        return kept, ()
    total = len(kept.labels) + kept.faulty
    named = "; ".join(f"{name} {cause}" for name, cause in kept.faults)
    more = f"; and {kept.faulty - len(kept.faults):,} more" if kept.faulty > len(kept.faults) else ""
    listed = f"{kept.faulty:,} of {total:,} {source.part} images cannot be used: {named}{more}"
    if config.faulty == "error":
        raise DataError(listed, at=("path",), remedy="mend them, or leave them out with faulty: skip")
    return kept, (f"{listed}. They are left out",)
