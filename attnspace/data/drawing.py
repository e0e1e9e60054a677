"""Splits drawn class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attnspace.data.options import SplitOptions
from attnspace.errors import DataError

__all__ = ["Rows", "draw_rows", "split_seed"]


@dataclass(frozen=True)
class Rows:
    """The row numbers of the images in each split, in rising order; None where nothing was drawn.

    Attributes:
        mended: whether images were exchanged so that a rare class has one in each split.
    """

    train: np.ndarray
    validation: np.ndarray | None
    test: np.ndarray | None
    mended: bool = False


def draw_rows(
    labels: np.ndarray,
    classes: tuple[str, ...],
    options: SplitOptions,
    *,
    validation: bool,
    test: bool,
    redraw: int | None = None,
) -> Rows:
    """Draw test images, then validation images, then those that train, each in equal shares of every class.

    With a number to `redraw`, training and validation images are drawn anew; the test images stay. A class has an image
    in each split if it has as many images; the last one of a class trains.

    Raises:
        DataError: the numbers asked for do not fit the images.
    """
    rest, mended = np.arange(len(labels)), False
    drawn: dict[str, np.ndarray | None] = {"test_images": None, "validation": None}
    for field, wanted in (("test_images", test), ("validation", validation)):
        if wanted:
            amount = getattr(options, field)
            count = amount if isinstance(amount, int) else max(1, round(amount * len(rest)))
            seed = options.split_seed if field == "test_images" else split_seed(options.split_seed, redraw)
            halves = _halve(rest, labels, classes, count, seed, field)
            rest, drawn[field], mended = halves.rest, halves.drawn, mended or halves.mended
    if options.train_images is not None and options.train_images != len(rest):
        seed = split_seed(options.split_seed, redraw)
        halves = _halve(rest, labels, classes, options.train_images, seed, "train_images")
        rest, mended = halves.drawn, mended or halves.mended
    return Rows(rest, drawn["validation"], drawn["test_images"], mended)


def split_seed(seed: int, redraw: int | None) -> int:
    """The seed that draws a split: the study's own, or that of a split drawn anew."""
    return seed if redraw is None else int(np.random.SeedSequence([seed, redraw]).generate_state(1)[0])


@dataclass(frozen=True)
class _Halves:
    """Rows in two parts, in rising order, and whether images were exchanged between them."""

    rest: np.ndarray
    drawn: np.ndarray
    mended: bool


def _halve(
    rows: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], count: int, seed: int, field: str
) -> _Halves:
    """Draw `count` of the rows. The only image of a class goes where images train."""
    from sklearn.model_selection import train_test_split  # slow to import, and only drawing needs it

    found = np.bincount(labels[rows], minlength=len(classes))
    single = found[labels[rows]] == 1
    alone, several = rows[single], rows[~single]
    present = int((found > 1).sum())
    trains = len(alone) if field == "train_images" else 0
    if not present <= count - trains <= len(several) - present:
        raise DataError(
            f"{count:,} of {len(rows):,} images cannot be drawn so that both parts hold each of {present} classes",
            at=(field,),
            allowed=f"{present + trains:,} to {len(several) - present + trains:,}"
            + (" or null" if field == "train_images" else ""),
        )
    rest, drawn = train_test_split(several, test_size=count - trains, random_state=seed, stratify=labels[several])
    rest, drawn, mended = _mended(rest, drawn, labels)
    if field == "train_images":
        return _Halves(np.sort(rest), np.sort(np.concatenate((drawn, alone))), mended)
    return _Halves(np.sort(np.concatenate((rest, alone))), np.sort(drawn), mended)


def _mended(rest: np.ndarray, drawn: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Exchange images so that both parts have one of each class: one of a rare class for one of the commonest there.

    Equal shares leave a class without an image where its share is less than half of one.
    """
    parts, mended = [rest.copy(), drawn.copy()], False
    for here, other in ((0, 1), (1, 0)):
        for missing in np.setdiff1d(labels[parts[other]], labels[parts[here]]):
            kinds, counts = np.unique(labels[parts[here]], return_counts=True)
            given = np.flatnonzero(labels[parts[here]] == kinds[counts.argmax()])[0]
            taken = np.flatnonzero(labels[parts[other]] == missing)[0]
            parts[here][given], parts[other][taken] = parts[other][taken], parts[here][given]
            mended = True
    return parts[0], parts[1], mended
