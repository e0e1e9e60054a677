"""Assemble a dataset from encoded sources: report faults, draw splits, sum up pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from attnspace.data.cache import Decoded, decoded
from attnspace.data.decoder import LISTED
from attnspace.data.digests import content
from attnspace.data.drawing import Rows, draw_rows
from attnspace.data.notes import absent_classes, drawn_note, fingerprint, pixel_notes
from attnspace.data.options import DecodingOptions
from attnspace.data.pixels.moments import mean_and_std
from attnspace.data.progress import Watch
from attnspace.data.same_images import Marked, same_image_notes
from attnspace.data.source import Source
from attnspace.data.split import Dataset, DataSplit
from attnspace.errors import DataError

__all__ = ["Sources", "assemble"]


@dataclass(frozen=True)
class Sources:
    """The sources of the splits; None where a split is drawn from the training images."""

    train: Source
    validation: Source | None
    test: Source | None


def assemble(
    config: DecodingOptions,
    sources: Sources,
    notes: tuple[str, ...],
    watch: Watch | None,
    redraw: int | None = None,
) -> Dataset:
    """Make a dataset of encoded sources, whose test images are decoded only when they are asked for.

    With a number to `redraw`, training and validation images are drawn anew, and nothing is said of images that stand
    in several splits. Of test images only their number, labels and digests are known before.

    Raises:
        DataError: the sources cannot be used as the configuration says.
    """
    test_labels = _test_labels(config, sources.test)
    kept = _usable(config, sources.train, watch)
    given = _usable(config, sources.validation, watch, kept) if sources.validation else None
    classes = sources.train.classes
    _check_classes(kept.labels, classes)
    drawn_too = sources.test is None
    rows = draw_rows(kept.labels, classes, config, validation=given is None, test=drawn_too, redraw=redraw)
    mean, std = mean_and_std(kept.sums[rows.train], kept.squares[rows.train], kept.pixels)

    def test_split() -> DataSplit:
        if sources.test is None:
            return _split(kept, _there(rows.test))
        found = _usable(config, sources.test, watch, kept)
        return DataSplit(found.images(), torch.from_numpy(found.labels), _said(found, sources.test, config))

    labels = {"training": kept.labels[rows.train]}
    labels["validation"] = given.labels if given else kept.labels[_there(rows.validation)]
    labels["test"] = kept.labels[_there(rows.test)] if test_labels is None else test_labels
    said = [*_said(kept, sources.train, config), *(_said(given, sources.validation, config) if given else ())]
    said += [] if rows.test is None else [drawn_note(len(rows.test), len(kept.labels))]
    said += absent_classes(kept.labels, labels, classes)
    if redraw is None:
        said += same_image_notes(_marked(sources, kept, given, rows, labels, watch), classes)
    return Dataset(
        train=_split(kept, rows.train),
        validation=_split(given) if given else _split(kept, _there(rows.validation)),
        classes=classes,
        mean=mean,
        std=std,
        fingerprint=fingerprint(config, rows, kept.key, given.key if given else None),
        notes=(*notes, *said),
        test_counts=_counted(labels["test"], classes),
        _test=test_split,
        _redraw=None if given else lambda number: assemble(config, sources, notes, watch, number),
    )


def _counted(labels: np.ndarray, classes: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(np.bincount(labels[labels >= 0], minlength=len(classes)).tolist())


def _there(rows: np.ndarray | None) -> np.ndarray:
    assert rows is not None
    return rows


def _split(kept: Decoded, rows: np.ndarray | None = None) -> DataSplit:
    labels = kept.labels if rows is None else kept.labels[rows]
    return DataSplit(kept.images(rows), torch.from_numpy(labels))


def _test_labels(config: DecodingOptions, test: Source | None) -> np.ndarray | None:
    """The labels of the test images, -1 for those that have none; None where test images are drawn.

    Raises:
        DataError: no label can be used, or one cannot and faulty images are not left out.
    """
    if test is None:
        return None
    labels = np.empty(len(test), dtype=np.int64)
    faults: list[tuple[str, str]] = []
    count = 0
    for row, found in enumerate(test.labels()):
        labels[row] = found.label
        if found.fault:
            count += 1
            faults += [(found.name, found.fault)] if count <= LISTED else []
    if count == len(labels):
        raise DataError(
            f"no test image has a label that can be used: {_named(faults, count)}",
            at=("test",),
            remedy="name a test split with labels, or have test images drawn from the others: test: null",
        )
    if count and config.faulty == "error":
        raise _faulty(f"{count:,} of {len(labels):,} test images cannot be used: {_named(faults, count)}")
    return labels


def _check_classes(labels: np.ndarray, classes: tuple[str, ...]) -> None:
    """Check that there is something to tell apart.

    Raises:
        DataError: all training images are of one class.
    """
    found = np.unique(labels)
    if len(found) < 2:
        raise DataError(
            f"all {len(labels):,} training images are of one class, {classes[found[0]]}",
            at=("path",),
            allowed="images of two classes or more",
        )


def _marked(
    sources: Sources,
    kept: Decoded,
    given: Decoded | None,
    rows: Rows,
    labels: Mapping[str, np.ndarray],
    watch: Watch | None,
) -> dict[str, Marked]:
    """Digests and labels of every split; a digest of an image's bytes is no look at it."""

    def usable(source: Source, decoded: Decoded) -> np.ndarray:
        return np.delete(source.digests(decoded.content, watch), decoded.left_out)

    own = usable(sources.train, kept)
    found = {"training": own[rows.train]}
    if sources.validation and given:
        found["validation"] = usable(sources.validation, given)
    else:
        found["validation"] = own[_there(rows.validation)]
    if sources.test:
        found["test"] = sources.test.digests(content(sources.test.files, watch), watch)
    else:
        found["test"] = own[_there(rows.test)]
    return {name: Marked(marks, labels[name]) for name, marks in found.items()}


def _usable(config: DecodingOptions, source: Source, watch: Watch | None, like: Decoded | None = None) -> Decoded:
    """The decoded images of a source, of one size with those of `like`.

    Raises:
        DataError: some images cannot be used, and the configuration does not leave them out; or sizes differ.
    """
    wanted = replace(config.wanted, deep=like.is_deep) if like else config.wanted
    kept = decoded(source, wanted, watch)
    if kept.faulty and config.faulty == "error":
        raise _faulty(_listed(kept, source))
    if like and kept.is_deep and not like.is_deep:
        raise DataError(
            f"{source.part} images have more than 8 bits, training images 8",
            at=("path",),
            remedy="bring them into one format",
        )
    if like and (shape := kept.images().shape[1:]) != (expected := like.images().shape[1:]):
        raise DataError(
            f"{source.part} images are {shape[2]} x {shape[1]} pixels, training images {expected[2]} x {expected[1]}",
            at=("size",),
            remedy="set size",
        )
    return kept


def _said(kept: Decoded, source: Source | None, config: DecodingOptions) -> tuple[str, ...]:
    """Notes on the images that are left out, and on what was done to others."""
    assert source is not None
    left_out = (f"{_listed(kept, source)}. They are left out",) if kept.faulty else ()
    return left_out + pixel_notes(kept, source.part, config)


def _listed(kept: Decoded, source: Source) -> str:
    total = len(kept.labels) + kept.faulty
    return f"{kept.faulty:,} of {total:,} {source.part} images cannot be used: {_named(kept.faults, kept.faulty)}"


def _named(faults: list[tuple[str, str]] | tuple[tuple[str, str], ...], count: int) -> str:
    """The first faults in words, and how many there are besides."""
    named = "; ".join(f"{name} {cause}" for name, cause in faults)
    return named + (f"; and {count - len(faults):,} more" if count > len(faults) else "")


def _faulty(what: str) -> DataError:
    return DataError(what, at=("path",), remedy="mend them, or leave them out with faulty: skip")
