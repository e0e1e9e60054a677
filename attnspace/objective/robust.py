"""Values of which one that lies far off, as of a training that diverged, decides nothing.

A value lies outside when it is worse than the worse quartile by more than three times the distance of the quartiles
(Tukey, Exploratory Data Analysis, 1977, section 2D: the outer fence), or is no finite number. Values that are far
better than the others are what a search is for: they count as they are.
"""

from __future__ import annotations

import numpy as np

__all__ = ["clipped", "fence", "outside"]

FENCE, FEWEST = 3.0, 4
"""How many distances of the quartiles the fence lies away; how many values it takes to have one."""

LEAST = 0.01
"""The least distance of the quartiles, as a share of the median: values that are all but equal have no outliers."""


def fence(values: np.ndarray, sign: float) -> float:
    """The worst value that is not outside; without four finite values the worst of these, and NaN where there is none.

    Args:
        values: (n,).
        sign: 1 where more is better, -1 where less is.
    """
    good = sign * values[np.isfinite(values)]
    if not len(good):
        return float("nan")
    if len(good) < FEWEST:
        return float(sign * good.min())
    quartile, median, other = np.quantile(good, [0.25, 0.5, 0.75])
    return float(sign * (quartile - FENCE * max(other - quartile, LEAST * abs(median))))


def outside(values: np.ndarray, sign: float) -> np.ndarray:
    """(n,) whether each value lies outside: `fence` says where that begins."""
    with np.errstate(invalid="ignore"):
        return ~np.isfinite(values) | (sign * values < sign * fence(values, sign))


def clipped(values: np.ndarray, sign: float) -> np.ndarray:
    """(n,) the values, with the worst of those inside in the place of those that lie outside.

    The fence itself would still pull: it lies far off where values stand in two groups.
    """
    is_out = outside(values, sign)
    inside = sign * values[~is_out]
    return np.where(is_out, sign * inside.min() if len(inside) else np.nan, values)
