"""What a design that stands on a rung would reach at the end, so that a sampler hears of values on one scale."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Forecast"]

SLOPE, WEIGHT = 0.5, 5
"""The slope expected before designs have reached the end, half of a lead on a rung; it counts like WEIGHT designs."""

LEAST = 0.1
"""The least share of the variance at the end that a rung has to explain for designs to be stopped there."""

FEWEST = 3
"""Designs with both values, at least, of which a share is estimated."""


@dataclass
class _Sums:
    """Running sums over pairs (x, y)."""

    n: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    def add(self, x: float, y: float) -> None:
        self.n += 1
        self.x += x
        self.y += y
        self.xx += x * x
        self.xy += x * y
        self.yy += y * y

    def spread(self) -> float:
        """Sum of squares of x about its mean."""
        return max(0.0, self.xx - self.x**2 / self.n) if self.n else 0.0

    def together(self) -> float:
        """Sum of products of x and y about their means."""
        return self.xy - self.x * self.y / self.n if self.n else 0.0


@dataclass
class Forecast:
    """A straight line from the value at one rung to the value at the end, by least squares over designs with both.

    Only promoted designs have both values. This does not bias the line, as they were chosen by the value at the rung.
    While there are few of them, the slope is held near 1/2. What the line explains is a share of the variance of all
    designs that reached the rung, of which promoted ones differ less there.
    """

    _pairs: _Sums = field(default_factory=_Sums)
    _all: _Sums = field(default_factory=_Sums)

    def see(self, at_rung: float) -> None:
        """Record that a design has reached the rung."""
        self._all.add(at_rung, 0.0)

    def learn(self, at_rung: float, at_end: float) -> None:
        """Record that a design with the value `at_rung` there has reached the end."""
        self._pairs.add(at_rung, at_end)

    def line(self) -> tuple[float, float]:
        """Intercept and slope of the line; 0 and 1 while no design has reached the end."""
        pairs = self._pairs
        if not pairs.n:
            return 0.0, 1.0
        prior = WEIGHT * self._all.spread() / max(1, self._all.n)
        weight = pairs.spread() + prior
        slope = (pairs.together() + SLOPE * prior) / weight if weight > 0 else SLOPE
        return (pairs.y - slope * pairs.x) / pairs.n, slope

    @property
    def explained(self) -> float:
        """The share of the variance at the end that the line explains; 1 while hardly a design has reached the end."""
        pairs = self._pairs
        if pairs.n < FEWEST:
            return 1.0
        slope = self.line()[1]
        squares = max(0.0, pairs.yy - pairs.y**2 / pairs.n) - 2 * slope * pairs.together() + slope**2 * pairs.spread()
        rest = max(0.0, squares) / (pairs.n - 2)
        explained = slope**2 * self._all.spread() / max(1, self._all.n)
        return explained / (explained + rest) if explained + rest > 0 else 1.0

    @property
    def tells(self) -> bool:
        """Whether the rung tells enough of the end for designs to be stopped by it."""
        return self.explained >= LEAST

    def __call__(self, at_rung: float) -> float:
        """The value expected at the end, given the value at the rung."""
        intercept, slope = self.line()
        return intercept + slope * at_rung
