"""Looks at a test while its data come in: how much of its level is spent at each, and the p-value that takes it all in.

A confirmation is looked at after planned numbers of seeds, and may end at each. A test that was made anew at every look
would err more often than its level says. Here the level is spent in parts:

spending    O'Brien-Fleming type: hardly anything early, nearly all at the end (Lan and DeMets, Biometrika 70, 1983)
boundaries  nominal levels that the p-value of each look is compared with (Jennison and Turnbull, Group Sequential
            Methods, 2000, chapter 7); found by integration over the sums that had not ended the test before
            (Armitage, McPherson and Rowe, J. R. Stat. Soc. A 132, 1969)
p-value     the smallest level at which the test would have ended by now (the same book, chapter 9)
futility    the conditional power: how likely the last look finds something if what was seen so far goes on (Lan, Simon
            and Halperin, Sequential Analysis 1, 1982; the same book, chapter 10)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy import optimize
from scipy.special import ndtr, ndtri

__all__ = ["conditional_power", "nominal_levels", "repeated_p", "spent"]

NODES = 64
"""Points of the integration over the sums at a look; with more of them no level changes by a millionth of itself."""

GRID = np.arange(0.001, 6.6, 0.125)
"""Standard normal quantiles of the levels at which boundaries are computed; the p-value is interpolated in between."""


def spent(level: float, fraction: float) -> float:
    """How much of a two-sided level may be used up when this fraction of the planned seeds is there."""
    return float(min(level, 4 * ndtr(ndtri(level / 4) / math.sqrt(fraction))))


@lru_cache(maxsize=4_096)
def nominal_levels(level: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """What the two-sided p-value of each look is compared with, so that all looks together err in `level` of cases.

    Args:
        level: two-sided, of the whole test.
        looks: rising numbers of seeds; the last one is the planned maximum.
    """
    abscissae, weights = leggauss(NODES)
    found: list[float] = []
    used, seeds = 0.0, 0
    sums, mass = np.zeros(1), np.ones(1)  # sums of standard normal scores that have not ended the test, and their mass
    for look in looks:
        share, sd = spent(level, look / looks[-1]), math.sqrt(look - seeds)
        extra = share - used

        def beyond(bound: float, sums: np.ndarray = sums, mass: np.ndarray = mass, sd: float = sd) -> float:
            return float(mass @ (ndtr((sums - bound) / sd) + ndtr((-bound - sums) / sd)))

        top = 40.0 * math.sqrt(look)
        bound = optimize.brentq(lambda b, extra=extra: beyond(b) - extra, 0.0, top, xtol=1e-10) if extra > 0 else top
        found.append(float(2 * ndtr(-bound / math.sqrt(look))))
        after = bound * abscissae
        density = np.exp(-(((after[:, None] - sums) / sd) ** 2) / 2) / (sd * math.sqrt(2 * math.pi))
        sums, mass = after, bound * weights * (density @ mass)
        used, seeds = share, look
    return tuple(found)


@lru_cache(maxsize=64)
def _quantiles(looks: tuple[int, ...]) -> np.ndarray:
    """The standard normal quantiles of the nominal levels that belong to the levels of the grid, (levels, looks)."""
    levels = 2 * ndtr(-GRID)
    return np.asarray(-ndtri(np.array([nominal_levels(float(level), looks) for level in levels]) / 2))


def repeated_p(p_values: Sequence[float], looks: Sequence[int]) -> float:
    """The p-value after the looks that were taken: the smallest level at which one of them would have ended the test.

    With several looks it is 8e-11 at least, which is where the computed levels end.

    Args:
        p_values: two-sided p-values of the looks taken so far, the first one first.
        looks: the planned looks, all of them.
    """
    if len(looks) == 1:
        return min([1.0, *p_values])
    table = _quantiles(tuple(looks))
    quantiles = -ndtri(np.asarray(p_values, dtype=float) / 2)
    found = [np.interp(quantile, table[:, look], GRID, left=0.0) for look, quantile in enumerate(quantiles)]
    return float(2 * ndtr(-max([0.0, *found])))


def conditional_power(quantile: float, seeds: int, looks: tuple[int, ...], level: float) -> float:
    """How likely the last planned look exceeds its boundary, if the difference goes on as it was seen so far.

    Args:
        quantile: the standard normal quantile that the difference reached, positive where it points the claimed way.
        seeds: how many it was seen with, fewer than the last look has.
        looks: the planned looks, as rising numbers of seeds.
        level: two-sided, of the whole test.

    Source:
        The conditional power under the current trend of Lan, Simon and Halperin, Sequential Analysis 1, 1982.
    """
    fraction = seeds / looks[-1]
    boundary = -ndtri(nominal_levels(level, looks)[-1] / 2)
    return float(ndtr((quantile / math.sqrt(fraction) - boundary) / math.sqrt(1 - fraction)))
