"""The mean of a design over seeds, estimated from the few seeds that it was trained under.

A score is the sum of what its seed does to all designs, what its design is worth, and noise:

    y(design, seed) = b(seed) + a(design) + e,    a ~ N(0, tau^2),    e ~ N(0, sigma^2)

The best of many designs is partly a lucky one. The best linear unbiased predictor of a(design) draws each design
towards the mean of all by as much as luck drove it away: a design under one seed more than one under four. So a lead
under one seed is compared with a lead under four. The variances come from all designs by restricted maximum likelihood,
and from those alone that have several seeds it is known what noise is. While only one has, what further seeds do to all
designs and what they do to this one cannot be told apart, so that designs rank as under the first seed.

Source: Searle, Casella and McCulloch, Variance Components, Wiley 1992, sections 6.6 and 7.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

__all__ = ["Estimates", "estimate"]

DOUBT = 1.5
"""Standard deviation of a weak prior on log(tau^2 / sigma^2) about 0: few designs with several seeds tell little."""
WIDEST = 12.0
FENCE = 4.0


@dataclass(frozen=True)
class Estimates:
    """What is estimated of each design's mean over seeds.

    Attributes:
        means: the estimates, (designs); the mean of the scores where there is no design with several seeds.
        errors: their standard errors, (designs); NaN where noise is not known.
        freedom: degrees of freedom of the noise; 0 where it is not known: fewer than two designs have several seeds.
        between: standard deviation tau between designs; NaN where it is not known.
        within: standard deviation sigma of noise; NaN where it is not known.
        shift: by how much the mean over the seeds exceeds what the first seed shows, for all designs alike.
    """

    means: np.ndarray
    errors: np.ndarray
    freedom: int
    between: float
    within: float
    shift: float = 0.0

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """The ends of intervals that hold the true means with this probability, by the t distribution: (designs)."""
        if not self.freedom:
            return np.full_like(self.means, math.nan), np.full_like(self.means, math.nan)
        half = float(student.ppf(0.5 + level / 2, self.freedom)) * self.errors
        return self.means - half, self.means + half

    def half_width(self, seeds: np.ndarray, level: float = 0.95) -> np.ndarray:
        """Half of the interval of a plain mean over so many seeds, of designs that are not drawn from the space."""
        if not self.freedom:
            return np.full(len(seeds), math.nan)
        return np.asarray(student.ppf(0.5 + level / 2, self.freedom) * self.within / np.sqrt(seeds))


def estimate(scores: np.ndarray) -> Estimates:
    """Estimate the mean over seeds of designs that were drawn from one space.

    Shape:
        scores: (designs, seeds), more being better; NaN where a design was not trained under a seed. The estimate of a
            design without a score is NaN, that of one with an infinite score is infinite.
    """
    is_finite = np.isfinite(np.where(np.isnan(scores), 0.0, scores)).all(1) & ~np.isnan(scores).all(1)
    if not is_finite.all():
        found = estimate(scores[is_finite])
        means, errors = np.full(len(scores), math.nan), np.full(len(scores), math.nan)
        means[is_finite], errors[is_finite] = found.means, found.errors
        means[~is_finite] = np.nansum(scores[~is_finite], axis=1, where=np.isinf(scores[~is_finite]))
        means[np.isnan(scores).all(1)] = math.nan
        return replace(found, means=means, errors=errors)
    if not len(scores):
        return Estimates(np.empty(0), np.empty(0), 0, math.nan, math.nan)
    known = ~np.isnan(scores)
    scores, known = scores[:, known.any(0)], known[:, known.any(0)]
    values = np.where(known, scores, 0.0)
    counts = known.sum(1)
    if counts.max() == 1:
        return Estimates(values.sum(1), np.full(len(scores), math.nan), 0, math.nan, math.nan)
    is_far = _is_far(scores)
    if not known[~is_far].any(0).all():  # a seed that only those far below have is compared by them
        is_far = np.zeros_like(is_far)
    freedom = int(counts[~is_far].sum() - np.count_nonzero(~is_far) - known.shape[1] + 1)
    model = _Model(values[~is_far], known[~is_far], counts[~is_far])
    log_ratio = 0.0
    if freedom > 0:
        found = minimize_scalar(model.cost, bounds=(-WIDEST, WIDEST), method="bounded", options={"xatol": 1e-3})
        log_ratio = float(found.x)
    ratio = math.exp(log_ratio)
    effects, variance = model.fitted(ratio)
    kept = np.where(is_far, 1 / counts, ratio / (1 + counts * ratio))
    is_known = freedom > 0
    return Estimates(
        means=effects.mean() + kept * ((values - effects) * known).sum(1),
        errors=np.sqrt(variance * kept) if is_known else np.full(len(scores), math.nan),
        freedom=max(0, freedom),
        between=math.sqrt(variance * ratio) if is_known else math.nan,
        within=math.sqrt(variance) if is_known else math.nan,
        shift=float(effects.mean() - effects[0]),
    )


def _is_far(scores: np.ndarray) -> np.ndarray:
    """Which designs have a score far below the others, as of a training that went wrong: (designs).

    They say nothing of what others vary by, and are no draws from the same normal distribution, so that their own means
    stand as they are. Far is `FENCE` standard deviations below the median, by the median absolute deviation.
    """
    middle = float(np.nanmedian(scores))
    deviation = 1.4826 * float(np.nanmedian(np.abs(scores - middle)))
    below = np.where(np.isnan(scores), middle, scores) < middle - FENCE * deviation
    return np.asarray(below.any(1)) if deviation else np.zeros(len(scores), dtype=bool)


class _Model:
    """The scores under a ratio tau^2 / sigma^2 of variances: generalised least squares for the seeds' effects.

    Args:
        values: (designs, seeds), 0 where there is no score.
        known: (designs, seeds), whether there is one.
        counts: (designs), how many there are.
    """

    def __init__(self, values: np.ndarray, known: np.ndarray, counts: np.ndarray) -> None:
        self.values, self.known, self.counts = values, known.astype(float), counts
        self.degrees = int(counts.sum()) - known.shape[1]

    def fitted(self, ratio: float) -> tuple[np.ndarray, float]:
        """The seeds' effects, (seeds), and sigma^2; NaN where the effects take up all that is known."""
        effects, squares, _ = self._solved(ratio)
        return effects, squares / self.degrees if self.degrees else math.nan

    def cost(self, log_ratio: float) -> float:
        """Minus the logarithm of the restricted likelihood and of the prior, up to a constant."""
        ratio = math.exp(log_ratio)
        _, squares, precision = self._solved(ratio)
        likelihood = (
            self.degrees * math.log(max(squares, 1e-300))
            + np.log1p(self.counts * ratio).sum()
            + np.linalg.slogdet(precision)[1]
        )
        return float(likelihood + (log_ratio / DOUBT) ** 2) / 2

    def _solved(self, ratio: float) -> tuple[np.ndarray, float, np.ndarray]:
        weights = ratio / (1 + self.counts * ratio)
        precision = np.diag(self.known.sum(0)) - self.known.T @ (weights[:, None] * self.known)
        right = self.values.sum(0) - self.known.T @ (weights * self.values.sum(1))
        effects = np.linalg.solve(precision, right)
        residuals = (self.values - effects) * self.known
        sums = residuals.sum(1)
        squares = float((residuals**2).sum() - (weights * sums**2).sum())
        return effects, squares, precision
