"""NSGA-II on trees of holes.

Optuna's own crosses only the parameters that all trials share and draws the others at random; in a space of
alternatives that is almost all of them. Here a child is asked for its holes from the outside in and answers each as
one of two parents did.

Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary
Computation 6(2), 2002, sections III.A and III.B.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from attnspace.samplers.registry import sampler
from attnspace.samplers.tree import TreeSampler
from attnspace.space.space import Space

__all__ = ["NSGA2", "crowding", "dominance_counts", "fronts"]


class NSGA2(TreeSampler):
    """Two parents win tournaments among the best trials; the child inherits from both, and a hole or two are changed.

    Args:
        seed: the seed of everything that is drawn.
        startup: how many trials are drawn at random first.
        population: how many of the best trials may be parents.
        crossover: probability of a second parent.
    """

    def __init__(
        self, seed: int | None = None, startup: int = 10, population: int = 10, crossover: float = 0.9
    ) -> None:
        super().__init__(seed, startup)
        self.population = population
        self.crossover = crossover

    def plan(self, finished: Sequence[FrozenTrial], signs: Sequence[float]) -> Mapping[str, Any]:
        order = ranked([trial.values for trial in finished], signs, self.population)
        one, other = self._winner(order, finished), self._winner(order, finished)
        answers = dict(one.params)
        if self.rng.random() < self.crossover:
            for name, value in other.params.items():
                if name not in answers or self.rng.random() < 0.5:
                    answers[name] = value
        return self.mutate(one, answers)

    def _winner(self, order: Sequence[int], finished: Sequence[FrozenTrial]) -> FrozenTrial:
        """The better of two trials that are drawn at random from the best ones."""
        return finished[order[min(self.rng.randrange(len(order)), self.rng.randrange(len(order)))]]


def ranked(values: Sequence[Sequence[float]], signs: Sequence[float], count: int) -> list[int]:
    """The indices of the best `count` trials, the best first: by front, and in a front the least crowded first."""
    # Thousands of short lists: in one go it takes half the time.
    points = np.fromiter(chain.from_iterable(values), float).reshape(len(values), -1) * np.asarray(signs)
    order: list[int] = []
    for front in fronts(points):
        distances = crowding(points[front])
        order += [int(i) for i in front[np.argsort(-distances, kind="stable")]]
        if len(order) >= count:
            break
    return order[:count]


def fronts(points: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of the non-dominated points, then of those that only the first ones dominate, and so on.

    Shape:
        points: (n, objectives), more is better
    """
    # Large sums first: such points dominate many, and none after them dominates them.
    left = np.argsort(-points.sum(1), kind="stable")
    # One row for each objective: numpy compares long rows fast, and many short ones slowly.
    rows = np.ascontiguousarray(points[left].T)
    while len(left):
        front = _front(rows)
        yield np.sort(left[front])
        left, rows = left[~front], rows[:, ~front]


def _front(rows: np.ndarray) -> np.ndarray:
    """Which points no other dominates; each of them in turn takes out those that it dominates.

    Shape:
        rows: (objectives, n), more is better; soonest done where points that dominate many come first
    """
    kept = np.arange(rows.shape[1])
    front = np.zeros(len(kept), dtype=bool)
    at = 0
    while at < len(kept):
        here = rows[:, at, None]
        alive = (rows > here).any(0) | (rows == here).all(0)
        at = int(np.count_nonzero(alive[: at + 1]))
        kept, rows = kept[alive], rows[:, alive]
    front[kept] = True
    return front


def dominance_counts(values: Sequence[Sequence[float]] | np.ndarray, signs: Sequence[float] | np.ndarray) -> np.ndarray:
    """How many others dominate each trial, being nowhere worse and somewhere better; with one objective, better."""
    points = np.asarray(values, dtype=float) * np.asarray(signs)
    no_worse = (points[None] >= points[:, None]).all(-1)
    better = (points[None] > points[:, None]).any(-1)
    return np.asarray((no_worse & better).sum(1))


def crowding(points: np.ndarray) -> np.ndarray:
    """Crowding distance: the gap between the neighbours on either side, summed over the objectives.

    Each objective is scaled to its range; the distance is infinite at the ends.
    """
    distances = np.zeros(len(points))
    if not len(points):
        return distances
    for column in points.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if span > 0 and len(points) > 2:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distances


@sampler("nsga2")
def _made(space: Space, seed: int) -> NSGA2:
    return NSGA2(seed=seed)
