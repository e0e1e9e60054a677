"""Templates: trees of plain data with holes in them, and the one way to walk through them.

A template has four kinds of nodes: `Fixed` data, a `Record` of parts, a `Hole` with options, and an `Interval` of
numbers. Whatever is done to a template is a `Traversal`, which has a handler for each kind of node; a handler calls the
traversal itself for the nodes that it wants to go on to. `Visitor` goes everywhere and returns nothing, `Transformer`
makes the same tree again, and both are for subclasses that change a handler or two.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, Generic, TypeVar

from attnspace.errors import PathPart

__all__ = [
    "Fixed",
    "Hole",
    "Interval",
    "Parameter",
    "Record",
    "Template",
    "Transformer",
    "Traversal",
    "Visitor",
    "number_at",
    "parameters",
    "same",
]


@dataclass(frozen=True)
class Fixed:
    """A value without holes."""

    value: Any
    count = 1


@dataclass(frozen=True)
class Record:
    """A mapping or a list with holes inside.

    Attributes:
        keys, parts: the keys or indices, and the part that stands under each.
        is_list: whether it is a list.
        spliced: indices of the parts whose items take their place in the list.
    """

    keys: tuple[PathPart, ...]
    parts: tuple[Template, ...]
    is_list: bool
    spliced: frozenset[int] = frozenset()

    @cached_property
    def count(self) -> int:
        """How many ways there are to fill the record; kept at every node, since a filling's index is read by counts."""
        return prod(part.count for part in self.parts)

    def assembled(self, values: Sequence[Any]) -> Any:
        """The mapping or list with these values of its parts."""
        if not self.is_list:
            return dict(zip(self.keys, values, strict=True))
        return [item for i, value in enumerate(values) for item in (value if i in self.spliced else (value,))]


@dataclass(frozen=True)
class Hole:
    """A parameter: one of several options.

    Attributes:
        name: the path that names it.
        labels: what Optuna and the tables call the options.
        options: what each one puts in the hole.
        integers: (lo, hi) when the labels are the whole numbers between.
        offered: whether `$any` made it, so that an option that is not possible is no fault of the user's.
    """

    name: str
    labels: tuple[Any, ...]
    options: tuple[Template, ...]
    integers: tuple[int, int] | None = None
    offered: bool = False

    @cached_property
    def count(self) -> int:
        """How many ways there are to fill the hole."""
        return sum(option.count for option in self.options)

    def index(self, label: Any) -> int | None:
        """The number of the option with this label; None if there is none. True is not 1 here."""
        return self._indices.get((type(label), label)) if label.__hash__ else None

    @cached_property
    def _indices(self) -> dict[tuple[type, Any], int]:
        return {(type(label), label): i for i, label in enumerate(self.labels)}


@dataclass(frozen=True)
class Interval:
    """A parameter: any number from `low` to `high`; it counts as one where the ways to fill a space are counted.

    Attributes:
        name: the path that names it.
        low, high: the ends, both included.
        log: whether its scale is logarithmic.
    """

    name: str
    low: float
    high: float
    log: bool = False
    offered = False
    count = 1

    def at(self, share: float) -> float:
        """The number at this share of the way from `low` to `high`, on the interval's scale."""
        return number_at(share, self.low, self.high, self.log)


Parameter = Hole | Interval
Template = Fixed | Record | Hole | Interval
Result = TypeVar("Result")


class Traversal(abc.ABC, Generic[Result]):
    """Something done to a template: called with a node, it returns what the handler of that kind of node returns."""

    def __call__(self, node: Template) -> Result:
        match node:
            case Fixed():
                return self.fixed(node)
            case Record():
                return self.record(node)
            case Hole():
                return self.hole(node)
            case Interval():
                return self.interval(node)

    @abc.abstractmethod
    def fixed(self, node: Fixed) -> Result:
        """Handle data without holes."""

    @abc.abstractmethod
    def record(self, node: Record) -> Result:
        """Handle a mapping or a list; what lies inside are its `parts`."""

    @abc.abstractmethod
    def hole(self, node: Hole) -> Result:
        """Handle a choice; what lies inside are its `options`."""

    @abc.abstractmethod
    def interval(self, node: Interval) -> Result:
        """Handle a number."""


class Visitor(Traversal[None]):
    """Visits every node, outer ones first and otherwise in the order that they are written in."""

    def fixed(self, node: Fixed) -> None:
        pass

    def record(self, node: Record) -> None:
        for part in node.parts:
            self(part)

    def hole(self, node: Hole) -> None:
        for option in node.options:
            self(option)

    def interval(self, node: Interval) -> None:
        pass


class Transformer(Traversal[Template]):
    """Makes the same template again, node by node."""

    def fixed(self, node: Fixed) -> Template:
        return node

    def record(self, node: Record) -> Template:
        return replace(node, parts=tuple(map(self, node.parts)))

    def hole(self, node: Hole) -> Template:
        return replace(node, options=tuple(map(self, node.options)))

    def interval(self, node: Interval) -> Template:
        return node


def parameters(template: Template) -> list[Parameter]:
    """Every parameter once, outer ones first."""
    collector = _Parameters()
    collector(template)
    return list(collector.found.values())


class _Parameters(Visitor):
    """Collects the parameters by name: the items of a repeated part stand in several options."""

    def __init__(self) -> None:
        self.found: dict[str, Parameter] = {}

    def hole(self, node: Hole) -> None:
        self.found.setdefault(node.name, node)
        super().hole(node)

    def interval(self, node: Interval) -> None:
        self.found.setdefault(node.name, node)


def number_at(share: float, low: float, high: float, log: bool) -> float:
    """The number this share of the way from `low` to `high`; with `log`, of the way between their logarithms."""
    if not log:
        return low + share * (high - low)
    start, end = math.log(low), math.log(high)
    return min(high, max(low, math.exp(start + share * (end - start))))


def same(one: Any, other: Any) -> bool:
    """Whether two answers to a hole are the same. True is not 1, nor is 1 the same as 1.0."""
    return type(one) is type(other) and bool(one == other)
