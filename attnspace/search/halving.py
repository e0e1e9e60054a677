"""Asynchronous successive halving that pauses and promotes.

Designs are trained to a rung, mostly the first. Whenever there is room, the best design of a rung that belongs to its
best 1/factor and has not gone on is trained from where it stands to the next rung; only if there is none a new design
begins. Nothing waits for a rung to fill. What a rung takes, more epochs or more seeds, and at which one a new design is
stopped, is not decided here.

Source: Li et al., A System for Massively Parallel Hyperparameter Tuning, arXiv 1810.05934, algorithm 2. There a
design is ranked by one value. Here several are ranked by how many others dominate them (Fonseca and Fleming, Genetic
Algorithms for Multiobjective Optimization, ICGA 1993, section 3), the lonelier first among equals; the better half by
the primary objective comes before the other half, so that nothing is promoted for being cheap alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np

from attnspace.samplers.dominance import crowding, in_reach
from attnspace.samplers.growing import GrowingArray

__all__ = ["Halving"]

Key = TypeVar("Key", bound=Hashable)


class Halving(Generic[Key]):
    """Decides which designs go on from rung to rung.

    Args:
        rungs: how many rungs there are.
        factor: one in so many goes on.
        objectives: how many values rank a design.
        primary: the index of the value that designs are for; others are costs.
    """

    def __init__(self, rungs: int, factor: int, objectives: int, primary: int = 0) -> None:
        self.factor = factor
        self._reached: tuple[_Rung[Key], ...] = tuple(_Rung(objectives, primary) for _ in range(rungs))

    def begin(self, key: Key, rung: int) -> None:
        """Note that a design, which waits on a rung, is on its way to the next."""
        self._reached[rung].leave(key)

    def report(self, key: Key, rung: int, values: Sequence[float] | None) -> None:
        """Note that a design has reached a rung with these values, more being better; None if it failed on the way."""
        self._reached[rung].add(key, values)
        if rung:
            self._reached[rung - 1].leave(key)

    def promotion(self) -> tuple[Key, int] | None:
        """The design that goes on next, and to which rung, the highest rung first; None while none may."""
        for rung in reversed(range(len(self._reached) - 1)):
            reached = self._reached[rung]
            key = reached.first_waiting(len(reached) // self.factor)
            if key is not None:
                return key, rung + 1
        return None

    def leader(self) -> tuple[Key, int] | None:
        """The best of those that came furthest, and the rung above; None if one has come to the end, or none waits."""
        if self._reached[-1].best(1):
            return None
        for rung in reversed(range(len(self._reached) - 1)):
            reached = self._reached[rung]
            key = reached.first_waiting(len(reached))
            if key is not None:
                return key, rung + 1
        return None

    def waiting(self, rung: int, share: float) -> list[Key]:
        """The designs among the best `share` of a rung that have not gone on, the best first."""
        reached = self._reached[rung]
        return reached.waiting(round(len(reached) * share))


class _Rung(Generic[Key]):
    """The designs that reached one rung, in order of their ranks: those in reach of the best first, of fewer dominating
    ones first, among equals the lonelier first, then the earlier.
    """

    def __init__(self, objectives: int, primary: int) -> None:
        self._primary = primary
        self._keys: list[Key] = []
        self._numbers: dict[Key, list[int]] = {}
        self._failed = 0
        self._values = GrowingArray(objectives)
        self._dominated_by = GrowingArray(1, np.int64)
        self._has_gone = GrowingArray(1, bool)
        self._gone: set[Key] = set()
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._keys) + self._failed

    def add(self, key: Key, values: Sequence[float] | None) -> None:
        """Note that a design has reached the rung; its values are None if it failed on the way."""
        if values is None:
            self._failed += 1
            return
        point, others = np.asarray(values, dtype=float)[:, None], self._values.columns
        self._dominated_by.columns[0] += (point >= others).all(0) & (point > others).any(0)
        self._dominated_by.append([((others >= point).all(0) & (others > point).any(0)).sum()])
        self._numbers.setdefault(key, []).append(self._values.append(point[:, 0]))
        self._keys.append(key)
        self._has_gone.append([key in self._gone])
        self._order = None

    def leave(self, key: Key) -> None:
        """Note that a design has gone on, or is on its way."""
        self._gone.add(key)
        self._has_gone.rows[self._numbers.get(key, [])] = True

    def best(self, count: int) -> list[Key]:
        """The best designs that reached the rung."""
        return [self._keys[number] for number in self._ranked()[: max(0, count)]]

    def waiting(self, count: int) -> list[Key]:
        """The designs among the best `count` that have not gone on."""
        return [key for key in self.best(count) if key not in self._gone]

    def first_waiting(self, count: int) -> Key | None:
        """The best design among the best `count` that has not gone on; None if all have."""
        has_gone = self._has_gone.columns[0]
        if has_gone.all():
            return None
        places = self._places()
        if np.count_nonzero(places < places[~has_gone].min()) >= count:  # mostly so, and thousands need not be ranked
            return None
        ranked = self._ranked()[:count]
        waiting = ranked[~has_gone[ranked]]
        return self._keys[waiting[0]] if len(waiting) else None

    def _ranked(self) -> np.ndarray:
        """The numbers of all designs that reached the rung, the best first."""
        if self._order is None:
            points = self._values.rows
            # With one objective only equals are dominated by as many, and none of them is lonelier than another.
            lonely = crowding(points) if points.shape[1] > 1 else np.zeros(len(points))
            self._order = np.lexsort((np.arange(len(points)), -lonely, self._places()))
        return self._order

    def _places(self) -> np.ndarray:
        """By how many each design is dominated; those out of reach of the best come after all others."""
        points, dominated_by = self._values.rows, self._dominated_by.columns[0]
        return np.where(in_reach(points, self._primary), dominated_by, dominated_by + len(points))
