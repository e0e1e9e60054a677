"""What a design that stands on a rung would reach at the end, and how much of that its value there tells.

Only designs that were promoted have values further on, and they were promoted by the values before. Under normality the
likelihood of such monotone data falls into regressions of each rung on all before it, which the choices do not bias.
Mean and covariance of all rungs, for all designs that began, follow from these regressions.

Source: Anderson, Maximum Likelihood Estimates for a Multivariate Normal Distribution when some Observations are
Missing, Journal of the American Statistical Association 52(278), 1957.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from attnspace.objective.robust import outside

__all__ = ["Forecast"]

SLOPE, WEIGHT = 0.5, 5
"""The slope expected before designs have gone on, half of a lead on a rung; it counts like WEIGHT designs. The same
holds of the correlation of a rung with the end."""

ROUNDING = 1e-9

FEWEST = 10
"""Designs that got to the end, at least, for anything to be said of what a rung tells."""

LEAST = 0.1
"""The least share of the variance at the end that a rung has to explain for designs to be stopped there."""


class Forecast:
    """What values of one metric at rungs tell of the end.

    While few designs went on, slopes are held near 1/2. What lies far worse than the others, as of a training that
    diverged, is left out.

    Args:
        epochs: the rungs, the last one being the end.
        sign: 1 where more is better, -1 where less is.
    """

    def __init__(self, epochs: Sequence[int], sign: float = 1.0) -> None:
        self._epochs = tuple(epochs)
        self._sign = sign
        self._numbers: dict[str, int] = {}
        self._values: list[list[float]] = []
        self._fitted: dict[int, tuple[np.ndarray, np.ndarray, int]] = {}

    def learn(self, design: str, known: Mapping[int, float]) -> None:
        """Take in the values of a design at all rungs that it has passed: epochs -> value."""
        if design not in self._numbers:
            self._numbers[design] = len(self._values)
            self._values.append([np.nan] * len(self._epochs))
        self._values[self._numbers[design]] = [known.get(epochs, np.nan) for epochs in self._epochs]
        self._fitted.clear()

    def line(self, epochs: int) -> tuple[float, float]:
        """Intercept and slope of the line from a rung to the end; 0 and 1 at the end, and while no design got there."""
        mean, covariance, ended = self._fit(WEIGHT)
        rung = self._epochs.index(epochs)
        if not ended or rung == len(self._epochs) - 1:
            return 0.0, 1.0
        slope = covariance[rung, -1] / covariance[rung, rung] if covariance[rung, rung] > 0 else SLOPE
        return float(mean[-1] - slope * mean[rung]), float(slope)

    def __call__(self, epochs: int, value: float) -> float:
        """The value expected at the end, given the value at a rung."""
        intercept, slope = self.line(epochs)
        return intercept + slope * value

    def explained(self, epochs: int) -> float:
        """The share of the variance at the end that a rung explains, of all designs; 1 while few got to the end, or all
        are equal there.
        """
        _, covariance, ended = self._fit(0)
        if ended < FEWEST or covariance[-1, -1] == 0:
            return 1.0
        rung = self._epochs.index(epochs)
        scale = np.sqrt(covariance[rung, rung] * covariance[-1, -1])
        correlation = covariance[rung, -1] / scale if scale > 0 else 0.0
        return max(0.0, float(ended * correlation + WEIGHT * SLOPE) / (ended + WEIGHT)) ** 2

    def tells(self, epochs: int) -> bool:
        """Whether a rung tells enough of the end for designs to be stopped there."""
        return self.explained(epochs) >= LEAST

    def _fit(self, weight: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Mean and covariance of all rungs, slopes being held near 1/2 as if by so many designs; how many got to the
        end.

        Shape:
            (rungs) and (rungs, rungs)
        """
        if weight not in self._fitted:
            self._fitted[weight] = self._computed(weight)
        return self._fitted[weight]

    def _computed(self, weight: int) -> tuple[np.ndarray, np.ndarray, int]:
        values, rungs = np.array(self._values).reshape(-1, len(self._epochs)), len(self._epochs)
        kept = np.ones(len(values), dtype=bool)
        for column in values.T:
            there = ~np.isnan(column)
            kept[there] &= ~outside(column[there], self._sign)
        values = values[kept]
        mean, covariance = np.zeros(rungs), np.zeros((rungs, rungs))
        for rung in range(rungs):
            there = ~np.isnan(values[:, : rung + 1]).any(1)
            before, y = values[there, :rung], values[there, rung]
            if not len(y):
                return mean, covariance, 0
            expected = np.zeros(rung)
            expected[-1:] = SLOPE
            held = weight * np.diag(np.diag(covariance)[:rung])
            dx, dy = _about_mean(before), _about_mean(y)
            slopes = np.linalg.lstsq(dx.T @ dx + held, dx.T @ dy + held @ expected, rcond=1e-10)[0]
            rest = 0.0 if not dy.any() else ((dy - dx @ slopes) ** 2).sum() / max(1, len(y) - rung - 1)
            mean[rung] = y.mean() + slopes @ (mean[:rung] - before.mean(0))
            covariance[rung, :rung] = covariance[:rung, rung] = slopes @ covariance[:rung, :rung]
            covariance[rung, rung] = rest + slopes @ covariance[:rung, :rung] @ slopes
        return mean, covariance, len(y)


def _about_mean(values: np.ndarray) -> np.ndarray:
    """Values less their mean over the first axis; 0 where they differ by no more than rounding does."""
    found = values - values.mean(0)
    return np.where(np.abs(found).max(0) <= ROUNDING * np.abs(values).max(0), 0.0, found)
