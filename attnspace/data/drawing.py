"""Splits drawn class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attnspace.data.options import SplitOptions
from attnspace.errors import DataError

__all__ = ["Rows", "draw_rows"]


@dataclass(frozen=True)
class Rows:
    """The row numbers of the images in each split, in rising order; None where nothing was drawn."""

    train: np.ndarray
    validation: np.ndarray | None
    test: np.ndarray | None


def draw_rows(
    labels: np.ndarray, classes: tuple[str, ...], options: SplitOptions, *, validation: bool, test: bool
) -> Rows:
    """Draw test images, then validation images, then those that train, each in equal shares of every class.

    Raises:
        DataError: a class has too few images, or the numbers asked for do not fit the images.
    """
    rest = np.arange(len(labels))
    drawn: dict[str, np.ndarray | None] = {"test_images": None, "validation": None}
    for field, wanted in (("test_images", test), ("validation", validation)):
        if wanted:
            amount = getattr(options, field)
            count = amount if isinstance(amount, int) else max(1, round(amount * len(rest)))
            rest, drawn[field] = _halve(rest, labels, classes, count, options.split_seed, field)
    if options.train_images is not None and options.train_images != len(rest):
        _, rest = _halve(rest, labels, classes, options.train_images, options.split_seed, "train_images")
    return Rows(rest, drawn["validation"], drawn["test_images"])


def _halve(
    rows: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], count: int, seed: int, field: str
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` of the rows; return the rows that are left, then those drawn."""
    from sklearn.model_selection import train_test_split  # slow to import, and only drawing needs it

    found = np.bincount(labels[rows], minlength=len(classes))
    present = int((found > 0).sum())
    if few := [f"{name} ({n})" for name, n in zip(classes, found.tolist(), strict=True) if n == 1]:
        raise DataError(
            f"too few images of {', '.join(few[:5])}{' and others' if len(few) > 5 else ''} to split by class",
            at=(field,),
            allowed="at least 2 images of each class",
            remedy="add images, or leave those classes out",
        )
    if not present <= count <= len(rows) - present:
        raise DataError(
            f"{count:,} of {len(rows):,} images cannot be drawn so that both parts hold each of {present} classes",
            at=(field,),
            allowed=f"{present:,} to {len(rows) - present:,}" + (" or null" if field == "train_images" else ""),
        )
    rest, drawn = train_test_split(rows, test_size=count, random_state=seed, stratify=labels[rows])
    return np.sort(rest), np.sort(drawn)
