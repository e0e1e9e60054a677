"""Holes: JSON data with alternatives in it, compiled to a tree of parameters.

    {"$choice": [a, b, ...]}                    one of the alternatives, which may hold holes of their own
    {"$int": [lo, hi]}                          a whole number, both ends included
    {"$float": [lo, hi], "log": true}           a number; `log` searches its order of magnitude
    {"$subset": [a, b, ...]}                    a non-empty sub-list, in the order given
    {"$repeat": {"of": a, "min": 1, "max": 3}}  a list of so many, each with holes of its own; inside a list, its items
    {"$published": "cbam"}                      a published block
    {"$any": "gate"}                            everything registered of a family or kind, over the grids of its fields

Every hole is a parameter named by its path: `block.excite.0.kernel`. Inside an alternative the name says which:
`block.excite.0[conv1d].kernel`. One name has one meaning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import prod
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from attnspace.documents.limits import has_holes
from attnspace.documents.validation import did_you_mean
from attnspace.errors import PathPart, SpaceError, join_path, within
from attnspace.language.specs import dump_spec, load_spec
from attnspace.primitives import Block
from attnspace.primitives.node import families

__all__ = [
    "Answer",
    "Fixed",
    "Hole",
    "Interval",
    "MAX_REPEATS",
    "Parameter",
    "Record",
    "Template",
    "compile_template",
    "parameters",
]

MAX_OPTIONS, MAX_REPEATS = 1_024, 16


@dataclass(frozen=True)
class Fixed:
    """A value without holes."""

    value: Any
    count = 1

    def fill(self, answer: Answer) -> Any:
        return self.value


@dataclass(frozen=True)
class Record:
    """A mapping or a list with holes inside.

    Attributes:
        keys, parts: what stands under which key or index.
        is_list: whether it is a list.
        spliced: indices of the parts whose items take their place in the list.
    """

    keys: tuple[PathPart, ...]
    parts: tuple[Template, ...]
    is_list: bool
    spliced: frozenset[int] = frozenset()

    @cached_property
    def count(self) -> int:
        return prod(part.count for part in self.parts)

    def fill(self, answer: Answer) -> Any:
        return self.assembled([part.fill(answer) for part in self.parts])

    def assembled(self, values: Sequence[Any]) -> Any:
        """The mapping or list of these values of its parts."""
        if not self.is_list:
            return dict(zip(self.keys, values, strict=True))
        return [item for i, value in enumerate(values) for item in (value if i in self.spliced else (value,))]


@dataclass(frozen=True)
class Hole:
    """A parameter: one of several options.

    Attributes:
        name: its path.
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
        return sum(option.count for option in self.options)

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna has it."""
        return IntDistribution(*self.integers) if self.integers else CategoricalDistribution(self.labels)

    def index(self, label: Any) -> int | None:
        """Which option is called so; None if none is. True is not 1 here."""
        return self._indices.get((type(label), label)) if label.__hash__ else None

    def fill(self, answer: Answer) -> Any:
        index = self.index(answer(self))
        assert index is not None, f"{self.name} has no such option"
        return self.options[index].fill(answer)

    @cached_property
    def _indices(self) -> dict[tuple[type, Any], int]:
        return {(type(label), label): i for i, label in enumerate(self.labels)}


@dataclass(frozen=True)
class Interval:
    """A parameter: any number from `low` to `high`; it counts as one where the ways to fill a space are counted."""

    name: str
    low: float
    high: float
    log: bool = False
    offered = False
    count = 1

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna has it."""
        return FloatDistribution(self.low, self.high, log=self.log)

    def at(self, share: float) -> float:
        """The number this far along, from 0 to 1, on its scale."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return min(self.high, max(self.low, math.exp(low + share * (high - low))))
        return self.low + share * (self.high - self.low)

    def fill(self, answer: Answer) -> Any:
        return answer(self)


Parameter = Hole | Interval
Template = Fixed | Record | Hole | Interval
Answer = Callable[[Parameter], Any]
"""A parameter -> the label of an option, or a number of an interval."""


def parameters(template: Template) -> list[Parameter]:
    """Every parameter once, outer ones first."""
    found: dict[str, Parameter] = {}

    def walk(part: Template) -> None:
        if isinstance(part, Hole | Interval):
            found.setdefault(part.name, part)
        for inner in _inside(part):
            walk(inner)

    walk(template)
    return list(found.values())


def _inside(template: Template) -> tuple[Template, ...]:
    if isinstance(template, Hole):
        return template.options
    return template.parts if isinstance(template, Record) else ()


def compile_template(data: Any, at: tuple[PathPart, ...] = (), name: tuple[PathPart, ...] = ()) -> Template:
    """The template of JSON data; `at` is the place in the document, `name` that of the parameter.

    Raises:
        SpaceError: a hole is faulty.
    """
    if isinstance(data, Mapping):
        marks = [str(key) for key in data if str(key).startswith("$")]
        if marks:
            return _compile_hole(data, marks, at, name)
        keys: tuple[PathPart, ...] = tuple(data)
        parts = tuple(compile_template(data[key], (*at, key), (*name, key)) for key in keys)
        record = Record(keys, parts, is_list=False)
    elif isinstance(data, list | tuple):
        keys = tuple(range(len(data)))
        parts = tuple(compile_template(value, (*at, i), (*name, i)) for i, value in enumerate(data))
        repeats = frozenset(i for i, value in enumerate(data) if isinstance(value, Mapping) and "$repeat" in value)
        record = Record(keys, parts, is_list=True, spliced=repeats)
    else:
        return Fixed(data)
    # A part may be fixed by now though a hole was written there: {"$published": ...}.
    return Fixed(record.fill(_nothing)) if all(isinstance(part, Fixed) for part in parts) else record


def _nothing(parameter: Parameter) -> Any:
    raise AssertionError(f"{parameter.name} was to be fixed")


_BESIDE = {"$float": ("log",)}
"""Keys that may stand beside a hole's own."""


def _compile_hole(
    data: Mapping[str, Any], marks: list[str], at: tuple[PathPart, ...], name: tuple[PathPart, ...]
) -> Template:
    mark = marks[0]
    if mark not in _HOLES:
        raise SpaceError(
            f"unknown hole {mark!r}", at=at, allowed=", ".join(_HOLES), remedy=did_you_mean(mark, list(_HOLES))
        )
    others = [key for key in data if key != mark and key not in _BESIDE.get(mark, ())]
    if others:
        beside = " or ".join(_BESIDE.get(mark, ()))
        raise SpaceError(
            f"{mark} takes no other key{f' than {beside}' if beside else ''}",
            at=at,
            got=dict(data),
            remedy=f"remove {', '.join(map(repr, others))}",
        )
    with within(*at):
        if mark == "$float":
            return _float(data[mark], data.get("log", False), (mark,), name)
        return _HOLES[mark](data[mark], (mark,), name)


def _choice(value: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    options = _listed(value, at, "alternatives")
    labels = _labels(options)
    compiled = tuple(
        compile_template(option, (*at, i), (*name[:-1], f"{name[-1] if name else ''}[{labels[i]}]"))
        for i, option in enumerate(options)
    )
    return compiled[0] if len(compiled) == 1 else Hole(join_path(name), labels, compiled)


def _integer(value: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    ends = isinstance(value, list | tuple) and len(value) == 2 and all(type(end) is int for end in value)
    if not ends or value[0] > value[1]:
        raise SpaceError("should be two whole numbers, the smaller first", at=at, got=value, allowed="[lo, hi]")
    lo, hi = value
    if hi - lo >= MAX_OPTIONS:
        raise SpaceError("spans too many numbers", at=at, got=value, allowed=f"up to {MAX_OPTIONS}")
    numbers = tuple(range(lo, hi + 1))
    options = tuple(Fixed(number) for number in numbers)
    return options[0] if lo == hi else Hole(join_path(name), numbers, options, (lo, hi))


def _float(value: Any, log: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    ends = is_pair and all(type(end) in (int, float) and math.isfinite(end) for end in value)
    if not ends or value[0] > value[1]:
        raise SpaceError("should be two numbers, the smaller first", at=at, got=value, allowed="[lo, hi]")
    if not isinstance(log, bool):
        raise SpaceError("should be true or false", at=("log",), got=log)
    low, high = map(float, value)
    if log and low <= 0:
        raise SpaceError("a logarithm needs numbers above 0", at=at, got=value, remedy="raise lo, or leave out log")
    return Fixed(low) if low == high else Interval(join_path(name), low, high, log)


def _subset(value: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    items = _listed(value, at, "items")
    if any(has_holes(item) for item in items):
        raise SpaceError("items of a subset hold no holes", at=at, remedy="use $choice for alternatives with holes")
    if 2 ** len(items) - 1 > MAX_OPTIONS:
        raise SpaceError("has too many items", at=at, allowed=f"up to {MAX_OPTIONS.bit_length() - 1}")
    names = [str(label) for label in _labels(items)]
    chosen = [c for size in range(1, len(items) + 1) for c in combinations(range(len(items)), size)]
    options = tuple(Fixed([items[i] for i in c]) for c in chosen)
    labels = tuple("+".join(names[i] for i in c) for c in chosen)
    return options[0] if len(options) == 1 else Hole(join_path(name), labels, options)


def _repeat(value: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    allowed = '{"of": ..., "min": 1, "max": 3}'
    if not isinstance(value, Mapping) or "of" not in value:
        raise SpaceError("should say what is repeated, and how often", at=at, got=value, allowed=allowed)
    for key in value:
        if key not in ("of", "min", "max"):
            raise SpaceError(
                f"unknown key {key!r}", at=(*at, key), allowed=allowed, remedy=did_you_mean(str(key), ["min", "max"])
            )
    low, high = value.get("min", 1), value.get("max", value.get("min", 1))
    if type(low) is not int or type(high) is not int or not 0 <= low <= high <= MAX_REPEATS:
        raise SpaceError(
            "min and max should be whole numbers, the smaller first",
            at=at,
            got={"min": low, "max": high},
            allowed=f"0 to {MAX_REPEATS}",
        )
    # The n-th item is the same parameter however many there are.
    items = tuple(compile_template(value["of"], (*at, "of"), (*name, i)) for i in range(high))
    lists = tuple(_list_of(items[:n]) for n in range(low, high + 1))
    return lists[0] if low == high else Hole(join_path(name), tuple(range(low, high + 1)), lists, (low, high))


def _list_of(items: tuple[Template, ...]) -> Template:
    record = Record(tuple(range(len(items))), items, is_list=True)
    return Fixed(record.fill(_nothing)) if all(isinstance(item, Fixed) for item in items) else record


def _published(value: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    if not isinstance(value, str):
        raise SpaceError("should be the name of a published block", at=at, got=value)
    with within(*at):
        return Fixed(dump_spec(load_spec(value)))


def _any(value: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    known = families()
    kinds = Block.members
    if not isinstance(value, str):
        raise SpaceError("should be the name of a family or a kind of block", at=at, got=value)
    if value in kinds:
        return _offered(compile_template(kinds[value].any_of(), at, name))
    if value == "excite":
        searched = [layer.any_of() for layer in known["layer"].members.values() if layer.searched]
        return _offered(compile_template([{"$choice": searched}], at, name))
    if value in known:
        members = [member.any_of() for member in known[value].members.values() if member.searched]
        return _offered(_choice(members, at, name))
    names = sorted([*known, *kinds, "excite"])
    raise SpaceError(
        "should be a family or a kind of block",
        at=at,
        got=value,
        allowed=", ".join(names),
        remedy=did_you_mean(str(value), names),
    )


def _offered(template: Template) -> Template:
    """The same, its holes marked as made by `$any`."""
    if isinstance(template, Record):
        return replace(template, parts=tuple(map(_offered, template.parts)))
    if isinstance(template, Hole):
        return replace(template, options=tuple(map(_offered, template.options)), offered=True)
    return template


_HOLES: dict[str, Callable[[Any, tuple[PathPart, ...], tuple[PathPart, ...]], Template]] = {
    "$choice": _choice,
    "$int": _integer,
    "$float": lambda value, at, name: _float(value, False, at, name),
    "$subset": _subset,
    "$repeat": _repeat,
    "$any": _any,
    "$published": _published,
}


def _listed(value: Any, at: tuple[PathPart, ...], what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or not value:
        raise SpaceError(f"should be a list of {what}", at=at, got=value)
    if len(value) > MAX_OPTIONS:
        raise SpaceError(f"has too many {what}", at=at, allowed=f"up to {MAX_OPTIONS}")
    texts = [json.dumps(item, sort_keys=True) for item in value]
    for i, text in enumerate(texts):
        if text in texts[:i]:
            raise SpaceError("is listed twice", at=(*at, i), got=value[i], remedy="list each once")
    return value


def _labels(options: Sequence[Any]) -> tuple[Any, ...]:
    """A short, distinct name for each option: scalars stand for themselves, nodes for their kind."""
    names = [_label(option) for option in options]
    if len({json.dumps(name) for name in names}) > len(set(names)):  # True and 1 are equal, and so one key to Optuna
        names = [json.dumps(name) for name in names]
    return tuple(
        name if names.count(name) == 1 else f"{name}#{1 + names[:i].count(name)}" for i, name in enumerate(names)
    )


def _label(option: Any) -> Any:
    if isinstance(option, Mapping):
        for key in ("kind", "$published", "$any"):
            if isinstance(option.get(key), str):
                inner = option.get("squeeze")
                of = inner.get("kind") if isinstance(inner, Mapping) else None
                return f"{of} {option[key]}" if isinstance(of, str) else option[key]
        return next((key for key in option if str(key).startswith("$")), "mapping")
    if isinstance(option, list | tuple):
        return "+".join(str(_label(item)) for item in option) or "empty"
    return option
