"""Fillings: a template with its holes answered, all of them or some."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from attnspace.errors import SpaceError
from attnspace.space.template import (
    Fixed,
    Hole,
    Interval,
    Parameter,
    Record,
    Template,
    Transformer,
    Traversal,
    parameters,
)

__all__ = [
    "Answer",
    "Filling",
    "answered",
    "drawn",
    "enumerated",
    "filled",
    "filling_at",
    "near",
    "settled",
    "size",
    "valid_answer",
]

Answer = Callable[[Parameter], Any]
"""A function that answers a parameter, with the label of an option or a number of an interval."""


@dataclass(frozen=True)
class Filling:
    """One member of a space.

    Attributes:
        data: the JSON data, without holes.
        choices: hole name -> the option that was taken, or the number, as Optuna sees it.
    """

    data: Any
    choices: Mapping[str, Any] = field(default_factory=dict)


def filled(template: Template, answer: Answer) -> Filling:
    """Fill a template with these answers; inner holes are asked for only where the outer ones lead there."""
    filler = _Filler(answer)
    return Filling(filler(template), filler.choices)


class _Filler(Traversal[Any]):
    """Puts an answer into every hole that it comes to, and notes the answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.choices: dict[str, Any] = {}

    def fixed(self, node: Fixed) -> Any:
        return node.value

    def record(self, node: Record) -> Any:
        return node.assembled(list(map(self, node.parts)))

    def hole(self, node: Hole) -> Any:
        label = self.choices[node.name] = self.answer(node)
        index = node.index(label)
        assert index is not None, f"{node.name} has no such option"
        return self(node.options[index])

    def interval(self, node: Interval) -> Any:
        self.choices[node.name] = self.answer(node)
        return self.choices[node.name]


def answered(template: Template, choices: Mapping[str, Any]) -> Filling | None:
    """Fill a template with these choices, by name; None if one that is asked for is missing or is no option."""
    try:
        return filled(template, lambda hole: valid_answer(hole, choices))
    except LookupError:
        return None


def valid_answer(hole: Parameter, choices: Mapping[str, Any]) -> Any:
    """The choice for a hole, by its name, if it is a valid answer.

    Raises:
        LookupError: there is no choice for the hole, or it is no answer to it.
    """
    answer = choices[hole.name]
    if isinstance(hole, Interval):
        is_number = type(answer) in (int, float)
        if not is_number or not hole.low <= answer <= hole.high:
            raise LookupError(hole.name)
    elif hole.index(answer) is None:
        raise LookupError(hole.name)
    return answer


def near(template: Template, choices: Mapping[str, Any], rng: random.Random) -> Filling:
    """Fill a template with these choices; holes that they do not answer are answered at random."""
    return filled(template, lambda hole: choices[hole.name] if hole.name in choices else drawn(hole, rng))


def drawn(hole: Parameter, rng: random.Random) -> Any:
    """A random answer to a hole: options are equally likely, numbers uniform on their scale."""
    return hole.at(rng.random()) if isinstance(hole, Interval) else hole.labels[rng.randrange(len(hole.labels))]


def settled(template: Template, choices: Mapping[str, Any]) -> Template:
    """The template without the holes that these choices answer; the others stay open."""
    return _Settler(choices)(template)


class _Settler(Transformer):
    """Replaces each hole that has a choice by the chosen option."""

    def __init__(self, choices: Mapping[str, Any]) -> None:
        self.choices = choices

    def hole(self, node: Hole) -> Template:
        if node.name not in self.choices:
            return super().hole(node)
        index = node.index(self.choices[node.name])
        assert index is not None, f"{node.name} has no such option"
        return self(node.options[index])

    def interval(self, node: Interval) -> Template:
        return Fixed(self.choices[node.name]) if node.name in self.choices else node


def size(template: Template) -> int | float:
    """How many fillings there are, exactly; infinite if a hole is an interval."""
    return math.inf if any(isinstance(hole, Interval) for hole in parameters(template)) else template.count


def enumerated(template: Template) -> Iterator[Filling]:
    """All fillings, in order of index.

    Raises:
        SpaceError: a hole is an interval.
    """
    for hole in parameters(template):
        if isinstance(hole, Interval):
            _not_countable(hole)
    return (filling_at(template, index) for index in range(template.count))


def _not_countable(hole: Parameter) -> Any:
    raise SpaceError(
        f"{hole.name} is a $float: the space has no end",
        remedy="use sample, or $choice and $int in its place",
    )


def filling_at(template: Template, index: int, number: Answer = _not_countable) -> Filling:
    """The filling of an index below `template.count`; `number` answers the intervals, which have no index.

    Raises:
        SpaceError: there is an interval, and nothing answers it.
        IndexError: there is no such filling.
    """
    if not 0 <= index < template.count:
        raise IndexError(f"no such filling: {index} is not from 0 to {template.count - 1}")
    filler = _FillerByIndex(number, index)
    return Filling(filler(template), filler.choices)


class _FillerByIndex(_Filler):
    """Takes the options that an index stands for; only the numbers of intervals are asked for.

    The fillings of a hole are those of its first option, then those of the next. Those of a record are counted like
    numbers with one digit for each part, of which the first part's runs fastest.

    Attributes:
        index: the index of the filling to take of the node handled next, among the fillings of that node.
    """

    def __init__(self, number: Answer, index: int) -> None:
        super().__init__(number)
        self.index = index

    def record(self, node: Record) -> Any:
        rest, values = self.index, []
        for part in node.parts:
            rest, self.index = divmod(rest, part.count)
            values.append(self(part))
        return node.assembled(values)

    def hole(self, node: Hole) -> Any:
        options = zip(node.labels, node.options, strict=True)
        label, option = next(options)
        while self.index >= option.count:
            self.index -= option.count
            label, option = next(options)
        self.choices[node.name] = label
        return self(option)
