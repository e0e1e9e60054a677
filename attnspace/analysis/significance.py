"""Whether one design is better than another: paired differences, their test, its correction, and the seeds it needs.

Two designs trained under the same seeds (same first weights of the backbone, same images in the same order) are
compared by the differences of their scores, seed by seed.

test            paired t-test, two-sided
correction      Holm (A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statist. 6, 1979)
seeds needed    by the noncentral t distribution
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr

__all__ = ["ALPHA", "FEWEST", "POWER", "holm", "p_value", "seeds_needed", "t_value"]

ALPHA, POWER = 0.05, 0.8
"""The level of all tests, and the power that is asked of a comparison."""

FEWEST = 4
"""With fewer seeds no p-value and no interval is claimed."""

MOST_SEEDS = 1_000
TINY = 1e-12
"""Differences of scores that are smaller than this are rounding."""


def t_value(differences: np.ndarray) -> float:
    """Mean over standard error; 0 where all differences are 0, and infinite where they are equal."""
    if len(differences) < 2 or np.abs(differences).max() <= TINY:
        return 0.0
    mean = float(differences.mean())
    if np.ptp(differences) <= TINY:
        return math.copysign(math.inf, mean)
    return mean / float(differences.std(ddof=1)) * math.sqrt(len(differences))


def p_value(differences: np.ndarray) -> float:
    """The p-value of the paired t-test, two-sided; of a sign test where all differences are equal."""
    t = t_value(differences)
    if math.isinf(t):
        return float(2.0 ** (1 - len(differences)))
    return float(2 * stdtr(len(differences) - 1, -abs(t))) if len(differences) > 1 else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected by Holm's method: those at or below a level err in at most that share of families.

    The function of statsmodels, which a test compares this one with, collects garbage at each call, for a tenth of a
    second.
    """
    order = np.argsort(p_values, kind="stable")
    steps = (len(p_values) - np.arange(len(p_values))) * np.asarray(p_values, dtype=float)[order]
    found = np.empty(len(p_values))
    found[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(p) for p in found]


def seeds_needed(difference: float, sd: float, alpha: float = ALPHA) -> int | None:
    """The fewest seeds with which a two-sided paired t-test finds a true difference of this size with a power of 80%.

    Args:
        difference: of the means.
        sd: standard deviation of the differences.
        alpha: the level of the test.

    Returns:
        None if that takes more than 1,000.
    """
    if sd <= TINY:
        return FEWEST if abs(difference) > TINY else None
    from statsmodels.stats.power import TTestPower  # slow to import, and only a confirmation needs it

    effect, test = abs(difference) / sd, TTestPower()

    def is_found(seeds: int) -> bool:
        power = test.power(effect, seeds, alpha)
        return math.isnan(power) or power >= POWER  # far out, the noncentral t distribution is no longer computed

    if not is_found(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return max(high, FEWEST)
