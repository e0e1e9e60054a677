"""What designs reached at the end of their trainings, under each seed, and what is estimated of their means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from attnspace.objective.estimate import Estimates, estimate
from attnspace.objective.goals import Goal
from attnspace.samplers.growing import GrowingArray

__all__ = ["Scores"]


class Scores:
    """The scores of designs that were trained to the end.

    Args:
        goals: the objectives.
        seeds: how many seeds a design is trained under at most.
    """

    def __init__(self, goals: Sequence[Goal], seeds: int) -> None:
        self._goals = tuple(goals)
        self._numbers: dict[str, int] = {}
        self._has_failed = GrowingArray(1, bool)
        self._scores = {goal.metric: GrowingArray(seeds) for goal in goals if goal.is_learnt}
        self._costs = {goal.metric: GrowingArray(1) for goal in goals if not goal.is_learnt}
        self._seeds = seeds

    def add(self, design: str, seed: int, values: Mapping[str, float]) -> None:
        """Note what a design reached under its n-th seed: metric or cost -> value."""
        if design not in self._numbers:
            self._numbers[design] = len(self._numbers)
            self._has_failed.append([False])
            for scores in self._scores.values():
                scores.append([math.nan] * self._seeds)
            for metric, costs in self._costs.items():
                costs.append([values[metric]])
        for metric, scores in self._scores.items():
            scores.rows[self._numbers[design], seed] = values[metric]

    def fail(self, design: str) -> None:
        """Note that a design has failed under some seed: it is no candidate any more."""
        if design in self._numbers:
            self._has_failed.rows[self._numbers[design]] = True

    def known(self, design: str, seed: int) -> bool:
        """Whether a design was trained under its n-th seed."""
        number = self._numbers.get(design)
        return number is not None and not any(math.isnan(scores.rows[number, seed]) for scores in self._scores.values())

    def seeds(self, design: str) -> int:
        """Under how many seeds a design was trained."""
        return sum(self.known(design, seed) for seed in range(self._seeds))

    def means(self, design: str, seeds: int) -> list[float]:
        """The mean under the first seeds of every objective, signed so that more is better."""
        number = self._numbers[design]
        found = []
        for goal in self._goals:
            of_seeds = self._scores[goal.metric].rows[number, :seeds] if goal.is_learnt else None
            value = self._costs[goal.metric].rows[number, 0] if of_seeds is None else of_seeds.mean()
            found.append(goal.sign * float(value))
        return found

    def designs(self) -> list[str]:
        """The designs that have not failed, in the order in which they reached the end."""
        return [design for design, number in self._numbers.items() if not self._has_failed.rows[number, 0]]

    def estimates(self) -> tuple[np.ndarray, np.ndarray]:
        """What is estimated of the designs that have not failed, in their order, and by how much more the mean over the
        seeds is than what the first seed shows.

        Shape:
            (designs, objectives) and (objectives), as the objectives have it, not signed
        """
        chosen = ~self._has_failed.columns[0]
        columns, shifts = [], []
        for goal in self._goals:
            if not goal.is_learnt:
                columns.append(self._costs[goal.metric].rows[chosen, 0])
                shifts.append(0.0)
                continue
            found: Estimates = estimate(goal.sign * self._scores[goal.metric].rows[chosen])
            columns.append(goal.sign * found.means)
            shifts.append(goal.sign * found.shift)
        return np.stack(columns, axis=1), np.array(shifts)
