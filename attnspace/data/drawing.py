"""Splits drawn class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attnspace.data.options import SplitOptions
from attnspace.errors import DataError

__all__ = ["Rows", "draw_rows"]


@dataclass(frozen=True)
class Rows:
    """Numbers of the images of each split, each in rising order; None where nothing was drawn."""

    train: np.ndarray
    validation: np.ndarray | None
    test: np.ndarray | None


def draw_rows(
    labels: np.ndarray, classes: tuple[str, ...], options: SplitOptions, *, validation: bool, test: bool
) -> Rows:
    """Test images, then validation images, then those that train, each in equal shares of every class.

    Raises:
        DataError: a class has too few images, or the numbers do not go together.
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
    """What is left, and the `count` rows that are drawn."""
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
