"""Coverage: whether every option of every hole is part of a design that is accepted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from attnspace.errors import AttnspaceError
from attnspace.space.filling import Filling, enumerated, near, size
from attnspace.space.template import Fixed, Hole, Interval, Parameter, Record, Template, Traversal, parameters, same

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
    rng = random.Random(0)
    for hole in parameters(template):
        labels = (hole.low, hole.high) if isinstance(hole, Interval) else hole.labels
        impossible: list[AttnspaceError] = []
        for label in labels:
            if (hole.name, type(label), label) in accepted:
                continue
            refusals = (
                (r for f, r in tried if hole.name in f.choices and same(f.choices[hole.name], label))
                if small
                else (refusal(filling) for filling in _taking(template, hole, label, rng))
            )
            first = next(refusals)
            if first is not None and all(refusals):
                how_many = "no design is valid" if small else f"none of {TRIES} random designs is valid; the first"
                first.what = f"with {hole.name} = {label}, {how_many}: {first.what}"
                impossible.append(first)
        if impossible and (len(impossible) == len(labels) or not hole.offered):
            raise impossible[0]


def _taking(template: Template, hole: Parameter, label: Any, rng: random.Random) -> Iterator[Filling]:
    """Random fillings in which one hole has the given answer."""
    way = _Way(hole.name)(template)
    assert way is not None, f"{hole.name} is no hole of this template"
    choices = {**way, hole.name: label}
    for _ in range(TRIES):
        yield near(template, choices, rng)


class _Way(Traversal[dict[str, Any] | None]):
    """Finds the options of outer holes that lead to the hole of a certain name; None if it lies elsewhere."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fixed(self, node: Fixed) -> None:
        return None

    def record(self, node: Record) -> dict[str, Any] | None:
        return next((way for part in node.parts if (way := self(part)) is not None), None)

    def hole(self, node: Hole) -> dict[str, Any] | None:
        if node.name == self.name:
            return {}
        for label, option in zip(node.labels, node.options, strict=True):
            way = self(option)
            if way is not None:
                return {node.name: label, **way}
        return None

    def interval(self, node: Interval) -> dict[str, Any] | None:
        return {} if node.name == self.name else None
