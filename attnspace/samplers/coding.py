"""The answers of trials as numbers that a model can learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attnspace.space.space import Space
from attnspace.space.template import Fixed, Hole, Interval, Parameter

__all__ = ["Coding"]

ABSENT = -1.0
"""What stands in the columns of a hole that is not asked."""


class Coding:
    """A space's holes as columns.

    A number is a column, on a logarithmic scale where it has one. A subset has a column for each of its members. Any
    other hole has a column for each option.

    Args:
        space: whose holes.
    """

    def __init__(self, space: Space) -> None:
        self._rows: dict[str, dict[Any, Sequence[float]]] = {}
        self._intervals: dict[str, Interval] = {}
        self._at: dict[str, slice] = {}
        width = 0
        for hole in space.holes():
            columns = self._code(hole)
            self._at[hole.name] = slice(width, width + columns)
            width += columns
        self.width = width

    def __call__(self, answers: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """The rows of some trials: (trials, columns)."""
        found = np.full((len(answers), self.width), ABSENT)
        for row, one in zip(found, answers, strict=True):
            for name, answer in one.items():
                row[self._at[name]] = self._row(name, answer)
        return found

    def _row(self, name: str, answer: Any) -> Sequence[float] | float:
        interval = self._intervals.get(name)
        if interval is None:
            return self._rows[name][_key(answer)]
        low, high, value = interval.low, interval.high, float(answer)
        if interval.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low) if high > low else 0.0

    def _code(self, hole: Parameter) -> int:
        """Note how the answers to a hole are coded; how many columns that takes."""
        if isinstance(hole, Interval):
            self._intervals[hole.name] = hole
            return 1
        labels = [_key(label) for label in hole.labels]
        if hole.integers:
            self._rows[hole.name] = {label: [float(label[1])] for label in labels}
            return 1
        members = _members(hole)
        if members is None:
            self._rows[hole.name] = dict(zip(labels, np.eye(len(labels)).tolist(), strict=True))
            return len(labels)
        every = list(dict.fromkeys(member for subset in members for member in subset))
        self._rows[hole.name] = {
            label: [float(member in subset) for member in every] for label, subset in zip(labels, members, strict=True)
        }
        return len(every)


def _members(hole: Hole) -> list[list[str]] | None:
    """The members of each option, where all options are lists of plain values; else None."""
    found = []
    for option in hole.options:
        if not (isinstance(option, Fixed) and isinstance(option.value, list | tuple)):
            return None
        found.append([repr(member) for member in option.value])
    return found


def _key(label: Any) -> tuple[str, Any]:
    """A label that can be looked up; True is not 1."""
    return type(label).__name__, label
