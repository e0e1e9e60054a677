"""Whether one design is better than another: paired seeds, intervals, corrected p-values, power.

Two designs trained under the same seeds (same first weights of the backbone, same images in the same order) are
compared by the differences of their scores, seed by seed.

test            paired t-test, two-sided
interval        bootstrap over the seeds, BCa (Efron, Better Bootstrap Confidence Intervals, JASA 82, 1987)
correction      Holm (A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statist. 6, 1979)
power           of the t-test, by the noncentral t distribution
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["ALPHA", "Comparison", "POWER", "compare", "detectable", "holm", "interval", "power", "seeds_needed"]

ALPHA, POWER = 0.05, 0.8
"""The level of all tests; the power that is asked of a comparison."""

RESAMPLES = 4_000
MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Comparison:
    """One design against another.

    Attributes:
        name, other: which.
        n: seeds that both have.
        difference: mean of the first minus mean of the second.
        sd: standard deviation of the differences; NaN for one seed.
        low, high: 95% bootstrap interval of the difference.
        margin: half of the 95% interval of the t distribution.
        p: of the paired t-test, two-sided, as it is.
        power: of that test, were the true difference as large as the one found.
        detectable: the smallest true difference that it finds with a power of 80%.
    """

    name: str
    other: str
    n: int
    difference: float
    sd: float
    low: float
    high: float
    margin: float
    p: float
    power: float
    detectable: float


def compare(name: str, other: str, scores: Sequence[float], others: Sequence[float]) -> Comparison:
    """Compare two designs by their scores under the same seeds, in the same order.

    Raises:
        ValueError: they do not have as many, or none.
    """
    differences = np.asarray(scores, dtype=float) - np.asarray(others, dtype=float)
    n = len(differences)
    if not n:
        raise ValueError("nothing to compare: no seed has both")
    mean = float(differences.mean())
    sd = float(differences.std(ddof=1)) if n > 1 else math.nan
    low, high = interval(differences)
    margin = float(stats.t.ppf(1 - ALPHA / 2, n - 1)) * sd / math.sqrt(n) if n > 1 else math.inf
    return Comparison(
        name, other, n, mean, sd, low, high, margin, _p(differences), power(mean, sd, n), detectable(sd, n)
    )


def _p(differences: np.ndarray) -> float:
    """Of the paired t-test. Where all differences are alike there is no chance: p is 1 if they are 0, and 0 if not."""
    if len(differences) < 2:
        return 1.0
    if np.ptp(differences) <= 1e-12 * max(1.0, float(np.abs(differences).max())):
        return 1.0 if abs(float(differences.mean())) <= 1e-12 else 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def interval(values: np.ndarray) -> tuple[float, float]:
    """95% bootstrap interval of the mean; always the same for the same values."""
    if len(values) < 2:
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (values,), np.mean, n_resamples=RESAMPLES, confidence_level=1 - ALPHA, method="BCa", rng=0
        ).confidence_interval
    if math.isfinite(found.low) and math.isfinite(found.high):
        return float(found.low), float(found.high)
    half = float(stats.t.ppf(1 - ALPHA / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p-values: reject those at or below the level, and at most so many in a hundred families err."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        corrected[index] = min(1.0, largest)
    return [float(p) for p in corrected]


def power(difference: float, sd: float, n: int, alpha: float = ALPHA) -> float:
    """How often a two-sided paired t-test with n seeds finds a true difference of this size."""
    if n < 2 or not math.isfinite(sd):
        return math.nan
    if sd == 0:
        return 1.0 if difference else alpha
    shift = abs(difference) / sd * math.sqrt(n)
    critical = stats.t.ppf(1 - alpha / 2, n - 1)
    upper, lower = stats.nct.sf(critical, n - 1, shift), stats.nct.cdf(-critical, n - 1, shift)
    # Far out, the noncentral t distribution is no longer computed: the power is 1 there.
    return float(np.nan_to_num(upper, nan=1.0) + np.nan_to_num(lower))


def detectable(sd: float, n: int, alpha: float = ALPHA) -> float:
    """The smallest true difference that is found with a power of 80%, by bisection."""
    if n < 2 or not math.isfinite(sd):
        return math.nan
    low, high = 0.0, sd * 100
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, sd, n, alpha) >= POWER else (middle, high)
    return high


def seeds_needed(difference: float, sd: float, alpha: float = ALPHA) -> int | None:
    """The fewest seeds with which a true difference of this size is found with a power of 80%.

    Returns:
        None if that takes more than 1,000.
    """
    if not difference or not math.isfinite(sd):
        return None
    if power(difference, sd, MOST_SEEDS, alpha) < POWER:
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, sd, middle, alpha) >= POWER else (middle, high)
    return high
