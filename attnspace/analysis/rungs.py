"""What each rung of a search tells of the next: whether what went on was chosen by more than luck.

Only designs that went on have a value at the next rung, and they were chosen by the value at the rung, so that they
differ less there than all designs do. Their correlation is corrected for that: with u the standard deviation of all
designs at the rung over that of those which went on, r becomes u r / sqrt(1 + r^2 (u^2 - 1)).

Source: Thorndike, Personnel Selection, 1949, case 2; Sackett and Yang, Journal of Applied Psychology 85(1), 2000,
equation 1. Intervals by Fisher's transformation, before the correction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import norm

from attnspace.analysis.observations import known_at_rungs
from attnspace.record.results import Results

__all__ = ["RungTelling", "rungs"]

FEWEST = 10
"""The fewest designs with a value at a rung and at the next of which anything is said."""


@dataclass(frozen=True)
class RungTelling:
    """What a rung tells of the next, or of the end.

    Attributes:
        epochs: of the rung.
        following: epochs of the next one.
        designs: how many designs have a value at both.
        correlation: of both values, for all designs that reached the rung.
        low, high: the ends of its 95% interval.
    """

    epochs: int
    following: int
    designs: int
    correlation: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """The figures in words."""
        return (
            f"The values of designs at epoch {self.epochs} and at epoch {self.following} have a correlation of "
            f"{self.correlation:.2f} ({self.low:.2f} to {self.high:.2f}, 95% interval, {self.designs} designs)."
        )


def rungs(results: Results) -> list[RungTelling]:
    """What each rung of epochs tells of the next, under the first seed; not of those that too few went through."""
    if results.searched.empty:
        return []
    known = known_at_rungs(results)
    first = results.searched["seed"].iloc[0]
    trained = [values for seed, values in zip(known.rows["seed"], known.values, strict=True) if seed == first]
    found = []
    for here, there in pairwise(known.rungs):
        both = [(values[here], values[there]) for values in trained if here in values and there in values]
        reached = [values[here] for values in trained if here in values]
        if len(both) >= FEWEST and (told := _correlation(np.array(both), np.array(reached))):
            found.append(RungTelling(here, there, len(both), *told))
    return found


def _correlation(both: np.ndarray, reached: np.ndarray) -> Sequence[float] | None:
    """The corrected correlation and its interval; None where the values of either do not differ.

    Shape:
        both: (designs, 2), at the rung and at the next
        reached: (designs), at the rung, of all that reached it
    """
    if (np.ptp(both, axis=0) <= 1e-9 * np.abs(both).max(0)).any():
        return None
    seen = float(np.corrcoef(both.T)[0, 1])
    half = float(norm.ppf(0.975)) / math.sqrt(len(both) - 3)
    wider = max(1.0, float(reached.std() / both[:, 0].std()))
    middle = math.atanh(min(max(seen, -0.999999), 0.999999))
    ends = (seen, math.tanh(middle - half), math.tanh(middle + half))
    return [wider * r / math.sqrt(1 + r**2 * (wider**2 - 1)) for r in ends]
