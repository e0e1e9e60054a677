"""Whether one design is better than another: paired seeds, intervals, corrected p-values, power.

Two designs trained under the same seeds (same first weights of the backbone, same images in the same order) are
compared by the differences of their scores, seed by seed.

test            paired t-test, two-sided
interval        bootstrap over the seeds, BCa (Efron, Better Bootstrap Confidence Intervals, JASA 82, 1987)
correction      Holm (A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statist. 6, 1979)
power           of one t-test, by the noncentral t distribution; of several that all have to succeed, by drawing
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

__all__ = [
    "ALPHA",
    "Comparison",
    "POWER",
    "Race",
    "compare",
    "detectable",
    "holm",
    "interval",
    "p_value",
    "power",
    "race",
]

ALPHA, POWER = 0.05, 0.8
"""The level of all tests, and the power that is asked of a comparison."""

RESAMPLES, FEW = 4_000, 8
MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Comparison:
    """One design against another.

    Attributes:
        name, other: the names of the two designs.
        n: how many seeds both have.
        difference: mean of the first minus mean of the second.
        sd: standard deviation of the differences; NaN for one seed.
        low, high: 95% bootstrap interval of the difference.
        margin: half of the 95% interval of the t distribution.
        p: p-value of the paired t-test, two-sided, not corrected.
        power: power of that test, were the true difference as large as the one found.
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
        ValueError: the two have different numbers of scores, or none.
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
        name, other, n, mean, sd, low, high, margin, p_value(differences), power(mean, sd, n), detectable(sd, n)
    )


def p_value(differences: np.ndarray) -> float:
    """The p-value of the paired t-test, two-sided; of a sign test where all differences are equal."""
    n = len(differences)
    if n < 2 or np.abs(differences).max() <= 1e-12:
        return 1.0
    if np.ptp(differences) <= 1e-12:
        return float(2.0 ** (1 - n))
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def interval(values: np.ndarray) -> tuple[float, float]:
    """95% bootstrap interval of the mean; always the same for the same values.

    For fewer than eight values, where bootstraps are far too narrow, it is the interval of the t distribution.
    """
    if len(values) < 2:
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    if len(values) >= FEW:
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
    """P-values corrected by Holm's method: those at or below a level err in at most that share of families."""
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
    """The smallest true difference that a paired t-test with n seeds finds with a power of 80%."""
    return sd * _unit_effect(n, alpha) if n >= 2 and math.isfinite(sd) else math.nan


@lru_cache(maxsize=4_096)
def _unit_effect(n: int, alpha: float) -> float:
    """The difference, in standard deviations, that is found with a power of 80%, by bisection."""
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, 1.0, n, alpha) >= POWER else (middle, high)
    return high


@dataclass(frozen=True)
class Race:
    """The test of whether a design is better than each of several rivals: all of the paired t-tests have to say so.

    The power of the test is found by drawing scores.

    Attributes:
        sd: standard deviation of the noise of one design under one seed, without what the seed does to all designs.
        gaps: by how much each rival's true mean is below that of the best of them.
        alpha: the level of each t-test.
    """

    sd: float
    gaps: tuple[float, ...]
    alpha: float

    def power(self, lead: float, n: int) -> float:
        """How often a true lead over the best rival is found with n seeds."""
        if n < 2 or not math.isfinite(self.sd):
            return math.nan
        if self.sd == 0:
            return float(lead > 0)
        noise = _noise(n, len(self.gaps))
        differences = (lead + np.array(self.gaps)) / self.sd + noise[:, :, :1] - noise[:, :, 1:]
        t = differences.mean(1) / differences.std(1, ddof=1) * math.sqrt(n)
        return float((t.min(1) >= stats.t.ppf(1 - self.alpha / 2, n - 1)).mean())

    def detectable(self, n: int) -> float:
        """The smallest true lead that is found with a power of 80%."""
        if n < 2 or not math.isfinite(self.sd):
            return math.nan
        low, high = 0.0, 100 * self.sd
        for _ in range(24):
            middle = (low + high) / 2
            low, high = (low, middle) if self.power(middle, n) >= POWER else (middle, high)
        return high

    def seeds_needed(self, lead: float) -> int | None:
        """The fewest seeds with which a true lead is found with a power of 80%; None if that takes more than 1,000."""
        if lead <= 0 or not self.power(lead, MOST_SEEDS) >= POWER:
            return None
        low, high = 1, MOST_SEEDS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(lead, middle) >= POWER else (middle, high)
        return high


@lru_cache(maxsize=64)
def _noise(n: int, rivals: int) -> np.ndarray:
    """Standard normal noise of a design and its rivals, (draws, n, 1 + rivals); always the same."""
    draws = max(400, min(4_000, 200_000 // n))
    return np.random.default_rng(n).standard_normal((draws, n, 1 + rivals))


def race(scores: np.ndarray, alpha: float) -> Race:
    """The race of the first column against the others, as estimated from the scores.

    Means of rivals are drawn together by as much as chance would have driven them apart (James and Stein, 1961).

    Shape:
        scores: (seeds, designs), without gaps
    """
    n, k = scores.shape
    residuals = scores - scores.mean(0) - scores.mean(1, keepdims=True) + scores.mean()
    variance = float((residuals**2).sum() / ((n - 1) * (k - 1))) if n > 1 and k > 1 else math.nan
    means = scores[:, 1:].mean(0)
    between = float(means.var(ddof=1)) if len(means) > 1 else 0.0
    kept = max(0.0, 1 - variance / n / between) if between > 0 else 0.0
    means = means.mean() + kept * (means - means.mean())
    return Race(math.sqrt(variance), tuple(float(gap) for gap in means.max() - means), alpha)
