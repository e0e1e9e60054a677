"""95% intervals of a mean over seeds, or over seeds and test images, and what they are called."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from attnspace.analysis.significance import ALPHA, FEWEST

__all__ = ["Interval", "NONE", "over_seeds", "over_seeds_and_images"]


@dataclass(frozen=True)
class Interval:
    """An interval of a mean.

    Attributes:
        low, high: its ends; NaN where there is none.
        name: what it is, in words; empty where there is none.
    """

    low: float
    high: float
    name: str

    def __bool__(self) -> bool:
        return bool(self.name)


NONE = Interval(math.nan, math.nan, "")


def over_seeds(values: np.ndarray, *, splits: bool = False) -> Interval:
    """The interval of the t distribution: other seeds, the same test images. None for fewer than four values.

    With `splits` each seed had a split of training and validation images of its own, which the name says.

    Shape:
        (seeds,)
    """
    if len(values) < FEWEST:
        return NONE
    name = "95% interval over seeds and splits" if splits else "95% interval over seeds"
    return _around(float(values.mean()), float(values.var(ddof=1)) / len(values), len(values) - 1, name)


def over_seeds_and_images(values: np.ndarray, *, splits: bool = False) -> Interval:
    """The interval of the mean of a table whose rows and columns are both drawn: other seeds, other test images.

    The variance of the mean is (MS_seeds + MS_images - MS_residual) / (seeds * images), with degrees of freedom by
    Satterthwaite (An Approximate Distribution of Estimates of Variance Components, Biometrics 2, 1946). None for fewer
    than four seeds.

    Shape:
        (seeds, images): of one design whether it was right, of two the difference of that
    """
    seeds, images = values.shape
    if seeds < FEWEST or images < 2:
        return NONE
    rows, columns, mean = values.mean(1), values.mean(0), float(values.mean())
    total = float(((values - mean) ** 2).sum())
    square_rows = images * float(((rows - mean) ** 2).sum())
    square_columns = seeds * float(((columns - mean) ** 2).sum())
    degrees = np.array([seeds - 1, images - 1, (seeds - 1) * (images - 1)], dtype=float)
    squares = np.array([square_rows, square_columns, max(0.0, total - square_rows - square_columns)]) / degrees
    summed = float(squares[0] + squares[1] - squares[2])
    least = float(max(squares[0], squares[1]))  # the two components are no less than 0
    summed = max(summed, least)
    spread = float((squares**2 / degrees).sum())
    freedom = summed**2 / spread if spread else degrees[0]
    name = f"95% interval over seeds{', splits' if splits else ''} and test images"
    return _around(mean, summed / (seeds * images), freedom, name)


def _around(mean: float, variance: float, freedom: float, name: str) -> Interval:
    half = float(stats.t.isf(ALPHA / 2, freedom)) * math.sqrt(variance)
    return Interval(mean - half, mean + half, name)
