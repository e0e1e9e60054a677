"""Two designs at a time, at the looks that a confirmation has taken: difference, test, equivalence.

The p-value of a pair is that of the paired t-test of each look, taken together by `sequential.repeated_p`. A look at
which the difference pointed the other way speaks against what is claimed, and counts as a p-value of 1.

equivalence    two one-sided tests (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987), each with the looks and the
               spending of the test itself: a confirmation may end at any of its looks, so the level has to hold at each
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr

from attnspace.analysis.sequential import conditional_power, repeated_p
from attnspace.analysis.significance import FEWEST, p_value, t_value

__all__ = ["Pairs"]


class Pairs:
    """The scores of a confirmation at its latest look.

    Args:
        scores: one row for each seed in the order of the plan, one column for each name; NaN where a training failed.
        looks: the planned looks, as numbers of seeds.
        taken: how many of them have been taken.
    """

    def __init__(self, scores: pd.DataFrame, looks: Sequence[int], taken: int) -> None:
        self._looks = tuple(looks)
        self._taken = self._looks[:taken]
        self.seeds = self._taken[-1] if taken else 0
        self.looks_taken = taken
        self.scores = scores.iloc[: self.seeds]
        self._columns = {str(name): self.scores[name].to_numpy(dtype=float) for name in self.scores.columns}

    def usable(self, names: Sequence[str]) -> list[str]:
        """Those of the names that have the four scores that a test needs."""
        return [name for name in names if np.isfinite(self._columns[name]).sum() >= FEWEST]

    def mean(self, name: str) -> float:
        """The mean of a name's scores."""
        return float(np.nanmean(self._columns[name]))

    def differences(self, name: str, other: str, seeds: int | None = None) -> np.ndarray:
        """The first one's scores minus the other's, under the seeds that both have."""
        both = self._columns[name][:seeds] - self._columns[other][:seeds]
        return both[np.isfinite(both)]

    def t(self, name: str, other: str) -> float:
        """The mean difference over its standard error, at the latest look."""
        return t_value(self.differences(name, other))

    def conditional_power(self, name: str, other: str, level: float) -> float:
        """How likely the last planned look shows the first one to be better, if what was seen so far goes on.

        Args:
            name: who is to be better.
            other: than whom.
            level: two-sided, of the test.
        """
        both = self.differences(name, other)
        t = t_value(both)
        if math.isinf(t):
            return float(t > 0)
        quantile = -float(ndtri(stdtr(len(both) - 1, -t)))
        return conditional_power(quantile, self.seeds, self._looks, level)

    def is_ahead(self, name: str, other: str) -> bool:
        """Whether the first one's mean is above the other's, under the seeds that both have."""
        both = self.differences(name, other)
        return len(both) > 0 and float(both.mean()) > 0

    def p(self, name: str, other: str) -> float:
        """The two-sided p-value of the difference that the latest look shows, not yet corrected for its family."""
        ahead, found = self.is_ahead(name, other), []
        for seeds in self._taken:
            both = self.differences(name, other, seeds)
            same = len(both) >= FEWEST and (float(both.mean()) > 0) == ahead
            found.append(p_value(both) if same else 1.0)
        return repeated_p(found, self._looks)

    def p_same(self, name: str, other: str, margin: float) -> float:
        """The p-value of the claim that the true difference is smaller than `margin`, either way, not yet corrected."""
        return max(self._p_above(name, other, -margin), self._p_above(other, name, -margin))

    def _p_above(self, name: str, other: str, bound: float) -> float:
        """The one-sided p-value of the true difference being above a bound."""
        found = []
        for seeds in self._taken:
            both = self.differences(name, other, seeds) - bound
            t = t_value(both)
            enough = len(both) >= FEWEST and math.isfinite(t)
            one_sided = float(stdtr(len(both) - 1, -t)) if enough else 1.0
            if len(both) >= FEWEST and t == math.inf:
                one_sided = float(0.5 ** len(both))
            found.append(min(1.0, 2 * one_sided))
        return repeated_p(found, self._looks) / 2
