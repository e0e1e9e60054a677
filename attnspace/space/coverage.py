"""Coverage: whether every option of every hole is part of a design that is accepted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attnspace.errors import AttnspaceError
from attnspace.space.filling import Filling, enumerated, near, size
from attnspace.space.template import Hole, Interval, Parameter, Template, Visitor, parameters, same

__all__ = ["EXHAUSTED", "TRIES", "check_options"]

EXHAUSTED = 500
"""The largest number of fillings that are all tried."""

TRIES = 200
"""How many random fillings are tried for each option of a larger space."""


def check_options(template: Template, use: Callable[[Filling], object]) -> None:
    """Check that each option of each hole is part of some filling that `use` accepts; see `Space.check`.

    Raises:
        AttnspaceError: an option has no accepted filling among those tried; it is the first refusal.
    """
    accepted: set[tuple[str, type, Any]] = set()

    def refusal(filling: Filling) -> AttnspaceError | None:
        try:
            use(filling)
        except AttnspaceError as error:
            return error
        # It speaks for every option that it holds: in a large space most need no filling of their own.
        accepted.update((name, type(answer), answer) for name, answer in filling.choices.items())
        return None

    small = size(template) <= EXHAUSTED
    tried = [(filling, refusal(filling)) for filling in enumerated(template)] if small else []
    if tried and all(refused for _, refused in tried) and tried[0][1]:
        raise tried[0][1]
    rng, ways = random.Random(0), _Ways()
    ways(template)
    for hole in parameters(template):
        labels = (hole.low, hole.high) if isinstance(hole, Interval) else hole.labels
        impossible: list[AttnspaceError] = []
        for label in labels:
            if (hole.name, type(label), label) in accepted:
                continue
            refusals = (
                (r for f, r in tried if hole.name in f.choices and same(f.choices[hole.name], label))
                if small
                else (refusal(filling) for filling in _taking(template, ways.found[hole.name], hole, label, rng))
            )
            first = next(refusals)
            if first is not None and all(refusals):
                how_many = "no design is valid" if small else f"none of {TRIES} random designs is valid; the first"
                first.what = f"with {hole.name} = {label}, {how_many}: {first.what}"
                impossible.append(first)
        if impossible and (len(impossible) == len(labels) or not hole.offered):
            raise impossible[0]


def _taking(
    template: Template, way: Mapping[str, Any], hole: Parameter, label: Any, rng: random.Random
) -> Iterator[Filling]:
    """Random fillings in which one hole has the given answer, and those outside of it the answers that lead to it."""
    choices = {**way, hole.name: label}
    for _ in range(TRIES):
        yield near(template, choices, rng)


class _Ways(Visitor):
    """Hole name -> the options of outer holes that lead to it, for all holes of a template at once."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._here: dict[str, Any] = {}

    def hole(self, node: Hole) -> None:
        outside = self._here
        self.found.setdefault(node.name, outside)
        for label, option in zip(node.labels, node.options, strict=True):
            self._here = {**outside, node.name: label}
            self(option)
        self._here = outside

    def interval(self, node: Interval) -> None:
        self.found.setdefault(node.name, self._here)
