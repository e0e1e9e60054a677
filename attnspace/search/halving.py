"""Asynchronous successive halving that pauses and promotes.

Every design is trained to the first rung. Whenever there is room, the best design of a rung that belongs to its best
1/factor and has not gone on is trained from where it stands to the next rung; only if there is none a new design
begins. Nothing waits for a rung to fill.

Source: Li et al., A System for Massively Parallel Hyperparameter Tuning, arXiv 1810.05934, algorithm 2. There a
design is ranked by one value. Here several are ranked by how many others dominate them (Fonseca and Fleming, Genetic
Algorithms for Multiobjective Optimization, ICGA 1993, section 3), the lonelier first among equals.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np

from attnspace.samplers.nsga2 import crowding

__all__ = ["Halving"]

Key = TypeVar("Key", bound=Hashable)


class Halving(Generic[Key]):
    """Who goes on.

    Args:
        rungs: epochs of each rung, the last one being all.
        factor: one in so many goes on.
        objectives: how many values rank a design.
    """

    def __init__(self, rungs: Sequence[int], factor: int, objectives: int) -> None:
        self.rungs = tuple(rungs)
        self.factor = factor
        self._standings: tuple[_Standing[Key], ...] = tuple(_Standing(objectives) for _ in self.rungs)

    def begin(self, key: Key, rung: int) -> None:
        """A design that waits on a rung is on its way to the next."""
        self._standings[rung].gone.add(key)

    def report(self, key: Key, rung: int, values: Sequence[float] | None) -> None:
        """A design has reached a rung with these values, more being better; None if it failed on the way."""
        self._standings[rung].add(key, values)
        if rung:
            self._standings[rung - 1].gone.add(key)

    def promotion(self) -> tuple[Key, int] | None:
        """Who goes on next, and to which rung; the highest rung first. None while nobody may."""
        for rung in reversed(range(len(self.rungs) - 1)):
            standing = self._standings[rung]
            for key in standing.best(len(standing) // self.factor):
                if key not in standing.gone:
                    return key, rung + 1
        return None

    def leader(self) -> tuple[Key, int] | None:
        """The best of those that came furthest, and the rung above; None if one has come to the end, or none waits."""
        if self._standings[-1].best(1):
            return None
        for rung in reversed(range(len(self.rungs) - 1)):
            waiting = self.waiting(rung, 1.0)
            if waiting:
                return waiting[0], rung + 1
        return None

    def waiting(self, rung: int, share: float) -> list[Key]:
        """Those that stand on a rung among its best `share` and have not gone on, the best first."""
        standing = self._standings[rung]
        return [key for key in standing.best(round(len(standing) * share)) if key not in standing.gone]


class _Standing(Generic[Key]):
    """The designs that reached one rung, kept in order of their ranks."""

    def __init__(self, objectives: int) -> None:
        self.gone: set[Key] = set()
        self._failed = 0
        self._keys: list[Key] = []
        self._values = np.empty((64, objectives))
        self._dominated_by = np.zeros(64, dtype=np.int64)
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._keys) + self._failed

    def add(self, key: Key, values: Sequence[float] | None) -> None:
        if values is None:
            self._failed += 1
            return
        n = len(self._keys)
        if n == len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
            self._dominated_by = np.concatenate([self._dominated_by, np.zeros_like(self._dominated_by)])
        point, others = np.asarray(values, dtype=float), self._values[:n]
        self._dominated_by[:n] += (point >= others).all(1) & (point > others).any(1)
        self._dominated_by[n] = ((others >= point).all(1) & (others > point).any(1)).sum()
        self._values[n] = point
        self._keys.append(key)
        self._order = None

    def best(self, count: int) -> list[Key]:
        n = len(self._keys)
        if count < 1 or not n:
            return []
        if self._order is None:
            values = self._values[:n]
            lonely = crowding(values) if values.shape[1] > 1 else np.zeros(n)
            self._order = np.lexsort((np.arange(n), -lonely, self._dominated_by[:n]))
        return [self._keys[i] for i in self._order[:count]]
