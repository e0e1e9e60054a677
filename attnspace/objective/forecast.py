"""What a design that stands on a rung would reach at the end, and how much of that its value there tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from attnspace.objective.robust import outside

__all__ = ["Forecast"]

SLOPE, WEIGHT = 0.5, 5
"""The slope expected before designs have gone on, half of a lead on a rung; it counts like WEIGHT designs."""

FEWEST = 3
"""Designs that went on, at least, for anything to be said of what their rung tells."""

LEAST = 0.1
"""The least share of the variance at the end that a rung has to explain for designs to be stopped there."""


class Forecast:
    """What values of one metric at rungs tell of the end.

    Straight lines lead from each rung to the next, by least squares over designs that have both values. Designs were
    promoted by the value at the lower rung: this biases neither its line nor what the line explains of the variance of
    all designs that reached the lower rung, of which promoted ones differ less. (It would bias a line to the rung after
    the next, since designs were chosen again on the way.) While few went on, a slope is held near 1/2. What lies far
    worse than the others, as of a training that diverged, is left out.

    Args:
        epochs: the rungs, the last one being the end.
        sign: 1 where more is better, -1 where less is.
    """

    def __init__(self, epochs: Sequence[int], sign: float = 1.0) -> None:
        self._steps = {here: _Step(sign) for here in epochs[:-1]}
        self._pairs = list(pairwise(epochs))

    def learn(self, known: Mapping[int, float], since: int = 0) -> None:
        """Take in the values of a training at the rungs that it has passed: epochs -> value.

        Args:
            known: all of them.
            since: up to which epoch they were taken in before.
        """
        for here, there in self._pairs:
            if here in known and since < here:
                self._steps[here].reach(known[here])
            if here in known and there in known and since < there:
                self._steps[here].go_on(known[here], known[there])

    def line(self, epochs: int) -> tuple[float, float]:
        """Intercept and slope of the line from a rung to the end; 0 and 1 at the end, and while no design went on."""
        intercept, slope = 0.0, 1.0
        for step in self._from(epochs):
            further, factor = step.line()
            intercept, slope = further + factor * intercept, factor * slope
        return intercept, slope

    def __call__(self, epochs: int, value: float) -> float:
        """The value expected at the end, given the value at a rung."""
        intercept, slope = self.line(epochs)
        return intercept + slope * value

    def explained(self, epochs: int) -> float:
        """The share of the variance at the end that a rung explains, step by step; 1 while hardly a design went on."""
        return float(np.prod([step.explained() for step in self._from(epochs)]))

    def tells(self, epochs: int) -> bool:
        """Whether a rung tells enough of the end for designs to be stopped there."""
        return self.explained(epochs) >= LEAST

    def _from(self, epochs: int) -> list[_Step]:
        return [step for here, step in self._steps.items() if here >= epochs]


class _Step:
    """From one rung to the next.

    Args:
        sign: 1 where more is better, -1 where less is.
    """

    def __init__(self, sign: float) -> None:
        self._sign = sign
        self._reached: list[float] = []
        self._went_on: list[tuple[float, float]] = []
        self._fitted: tuple[tuple[float, float], float] | None = None

    def reach(self, here: float) -> None:
        """Take in that a design has reached the rung."""
        self._reached.append(here)
        self._fitted = None

    def go_on(self, here: float, there: float) -> None:
        """Take in that a design with the value `here` has reached the next rung."""
        self._went_on.append((here, there))
        self._fitted = None

    def line(self) -> tuple[float, float]:
        return self._fit()[0]

    def explained(self) -> float:
        return self._fit()[1]

    def _fit(self) -> tuple[tuple[float, float], float]:
        """The line, as intercept and slope, and the share of the variance that it explains."""
        if self._fitted is None:
            self._fitted = self._computed()
        return self._fitted

    def _computed(self) -> tuple[tuple[float, float], float]:
        reached, pairs = np.array(self._reached), np.array(self._went_on).reshape(-1, 2)
        reached = reached[~outside(reached, self._sign)]
        x, y = pairs[~outside(pairs[:, 0], self._sign) & ~outside(pairs[:, 1], self._sign)].T
        if not len(x):
            return (0.0, 1.0), 1.0
        variance = reached.var() if len(reached) else 0.0
        dx, dy, prior = x - x.mean(), y - y.mean(), WEIGHT * variance
        slope = float((dx @ dy + SLOPE * prior) / (dx @ dx + prior)) if dx @ dx + prior > 0 else SLOPE
        line = float(y.mean() - slope * x.mean()), slope
        if len(x) < FEWEST:
            return line, 1.0
        rest, told = ((dy - slope * dx) ** 2).sum() / (len(x) - 2), slope**2 * variance
        return line, float(told / (told + rest)) if told + rest > 0 else 1.0
