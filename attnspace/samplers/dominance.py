"""Which of several points are better, where there is more than one objective: more of each is better.

Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary
Computation 6(2), 2002, sections III.A and III.B.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["crowding", "dominance_counts", "fronts", "in_reach", "ranked"]


def in_reach(points: np.ndarray, primary: int) -> np.ndarray:
    """Which points are in reach of the best: the better half by the primary objective; all where it is the only one.

    A design is worth nothing for being cheap alone: it competes on costs if it is any good at what it is for.

    Shape:
        points: (n, objectives), more is better; the result is (n)
    """
    if points.shape[1] == 1 or not len(points):
        return np.ones(len(points), dtype=bool)
    return np.asarray(points[:, primary] >= np.median(points[:, primary]))


def ranked(points: np.ndarray, count: int, primary: int = 0) -> list[int]:
    """The indices of the best `count` points, the best first: those in reach of the best, by front, and in a front the
    least crowded first; then the others likewise.

    Shape:
        points: (n, objectives), more is better
    """
    order: list[int] = []
    near = in_reach(points, primary)
    for group in (np.flatnonzero(near), np.flatnonzero(~near)):
        for front in fronts(points[group]):
            members = group[front]
            order += [int(i) for i in members[np.argsort(-crowding(points[members]), kind="stable")]]
            if len(order) >= count:
                return order[:count]
    return order


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


def dominance_counts(points: np.ndarray) -> np.ndarray:
    """How many others dominate each point, being nowhere worse and somewhere better; with one objective, better.

    Shape:
        points: (n, objectives), more is better
    """
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
