"""A space of designs: JSON with holes.

    {"$choice": [a, b, ...]}      one of the alternatives, which may hold holes of their own
    {"$int": [lo, hi]}            a whole number, both ends included
    {"$subset": [a, b, ...]}      a non-empty sub-list, in the order given
    {"$published": "cbam"}        a published block
    {"$any": "gate"}              everything registered of a family or kind, with the grids its fields declare

Every hole is a parameter named by its path: `block.excite.0.kernel`. Inside an alternative the name says which:
`block.excite.0[conv1d].kernel`. One name has one meaning.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from math import prod
from pathlib import Path
from typing import Any

from optuna.trial import BaseTrial

from attnspace.documents import check_limits, has_holes, read
from attnspace.errors import AttnspaceError, PathPart, SpaceError, join_path, within
from attnspace.primitives import Block, families, refresh
from attnspace.spec import dump_spec, load_spec
from attnspace.validation import did_you_mean

__all__ = ["Filling", "Hole", "Space", "load_space"]

MAX_OPTIONS = 1_024
EXHAUSTED = 500
TRIES = 200
Pick = Callable[["Hole"], int]


@dataclass(frozen=True)
class Filling:
    """One member of a space.

    Attributes:
        data: the JSON data, without holes.
        params: hole name -> the option that was taken, as Optuna sees it.
    """

    data: Any
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fixed:
    """A value without holes."""

    value: Any

    @property
    def size(self) -> int:
        return 1

    def fill(self, pick: Pick) -> Any:
        return self.value


@dataclass(frozen=True)
class Record:
    """A mapping or a list with holes inside."""

    keys: tuple[PathPart, ...]
    parts: tuple[Template, ...]
    is_list: bool

    @cached_property
    def size(self) -> int:
        return prod(part.size for part in self.parts)

    def fill(self, pick: Pick) -> Any:
        values = [part.fill(pick) for part in self.parts]
        return values if self.is_list else dict(zip(self.keys, values, strict=True))


@dataclass(frozen=True)
class Hole:
    """A parameter: one of several options.

    Attributes:
        name: its path.
        labels: what Optuna and the tables call the options.
        options: what each one puts in the hole.
        integers: (lo, hi) when the options are the whole numbers between.
    """

    name: str
    labels: tuple[Any, ...]
    options: tuple[Template, ...]
    integers: tuple[int, int] | None = None

    @cached_property
    def size(self) -> int:
        return sum(option.size for option in self.options)

    def fill(self, pick: Pick) -> Any:
        return self.options[pick(self)].fill(pick)


Template = Fixed | Record | Hole


class Space:
    """JSON data with holes, compiled."""

    def __init__(self, data: Any) -> None:
        refresh()
        check_limits(data, SpaceError)
        self.data = data
        self.template = _compile(data, (), ())

    def size(self) -> int:
        """How many ways there are to fill the holes: at least as many as there are distinct designs."""
        return self.template.size

    def holes(self) -> list[Hole]:
        """Every hole, outer ones first."""
        return list(_holes(self.template))

    def suggest(self, trial: BaseTrial) -> Filling:
        """Fill the holes by asking an Optuna trial, each under its name."""
        params: dict[str, Any] = {}

        def pick(hole: Hole) -> int:
            if hole.integers:
                label: Any = trial.suggest_int(hole.name, *hole.integers)
            else:
                label = trial.suggest_categorical(hole.name, hole.labels)
            params[hole.name] = label
            return next(i for i, option in enumerate(hole.labels) if option is label or _same(option, label))

        return Filling(self.template.fill(pick), params)

    def sample(self, rng: random.Random) -> Filling:
        """A filling drawn uniformly from all fillings."""
        return self.at(rng.randrange(self.size()))

    def at(self, index: int) -> Filling:
        """The filling of this index, from 0 to size() - 1."""
        params: dict[str, Any] = {}
        return Filling(_at(self.template, index, params), params)

    def enumerate(self) -> Iterator[Filling]:
        """All fillings, in order of index."""
        return (self.at(index) for index in range(self.size()))

    def check(self, use: Callable[[Filling], object]) -> None:
        """Try that each option of each hole is part of some filling that `use` accepts.

        All fillings are tried where there are up to 500 of them, else up to 200 random ones for each option.

        Raises:
            AttnspaceError: the first refusal of an option of which no filling that was tried is accepted.
        """
        rng = random.Random(0)
        small = self.size() <= EXHAUSTED
        tried = [(filling, _refusal(use, filling)) for filling in self.enumerate()] if small else []
        if tried and all(refusal for _, refusal in tried) and tried[0][1]:
            raise tried[0][1]
        for hole in self.holes():
            for index, label in enumerate(hole.labels):
                refusals = (
                    (r for f, r in tried if hole.name in f.params and _same(f.params[hole.name], label))
                    if small
                    else (_refusal(use, filling) for filling in self._taking(hole, index, rng, TRIES))
                )
                first = next(refusals)
                if first is not None and all(refusals):
                    how_many = "no design is valid" if small else f"none of {TRIES} random designs is valid; the first"
                    first.what = f"with {hole.name} = {label}, {how_many}: {first.what}"
                    raise first

    def _taking(self, hole: Hole, index: int, rng: random.Random, tries: int) -> Iterator[Filling]:
        """Random fillings that take one option of one hole."""
        settled = {id(hole): index, **_ancestors(self.template, hole)}
        for _ in range(tries):
            params: dict[str, Any] = {}

            def pick(asked: Hole, params: dict[str, Any] = params) -> int:
                chosen = settled.get(id(asked))
                if chosen is None:
                    chosen = rng.randrange(len(asked.options))
                params[asked.name] = asked.labels[chosen]
                return chosen

            yield Filling(self.template.fill(pick), params)


def load_space(path_or_data: str | Path | Mapping[str, Any]) -> Space:
    """The space of a JSON or YAML file, or of data.

    Raises:
        SpaceError: with the path of the faulty hole.
    """
    if isinstance(path_or_data, Mapping):
        return Space(path_or_data)
    document = read(path_or_data, SpaceError)
    try:
        return Space(document.data)
    except AttnspaceError as error:
        raise document.place(error) from None


def _compile(data: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    """`at` is the place in the document, `name` that of the parameter."""
    if isinstance(data, Mapping):
        marks = [str(key) for key in data if str(key).startswith("$")]
        if marks:
            return _compile_hole(data, marks, at, name)
        keys: tuple[PathPart, ...] = tuple(data)
        parts = tuple(_compile(data[key], (*at, key), (*name, key)) for key in keys)
    elif isinstance(data, list | tuple):
        keys = tuple(range(len(data)))
        parts = tuple(_compile(value, (*at, i), (*name, i)) for i, value in enumerate(data))
    else:
        return Fixed(data)
    record = Record(keys, parts, not isinstance(data, Mapping))
    # A part may be fixed by now though a hole was written there: {"$published": ...}.
    return Fixed(record.fill(lambda hole: 0)) if all(isinstance(part, Fixed) for part in parts) else record


def _compile_hole(
    data: Mapping[str, Any], marks: list[str], at: tuple[PathPart, ...], name: tuple[PathPart, ...]
) -> Template:
    mark = marks[0]
    if mark not in _HOLES:
        raise SpaceError(
            f"unknown hole {mark!r}", at=at, allowed=", ".join(_HOLES), remedy=did_you_mean(mark, list(_HOLES))
        )
    if len(data) > 1:
        others = ", ".join(repr(key) for key in data if key != mark)
        raise SpaceError(f"{mark} takes no other key", at=at, got=dict(data), remedy=f"remove {others}")
    with within(*at):
        return _HOLES[mark](data[mark], (mark,), name)


def _choice(value: Any, at: tuple[PathPart, ...], name: tuple[PathPart, ...]) -> Template:
    options = _listed(value, at, "alternatives")
    labels = _labels(options)
    compiled = tuple(
        _compile(option, (*at, i), (*name[:-1], f"{name[-1] if name else ''}[{labels[i]}]"))
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
        return _compile(kinds[value].any_of(), at, name)
    if value == "excite":
        searched = [layer.any_of() for layer in known["layer"].members.values() if layer.searched]
        return _compile([{"$choice": searched}], at, name)
    if value in known:
        members = [member.any_of() for member in known[value].members.values() if member.searched]
        return _choice(members, at, name)
    names = sorted([*known, *kinds, "excite"])
    raise SpaceError(
        "should be a family or a kind of block",
        at=at,
        got=value,
        allowed=", ".join(names),
        remedy=did_you_mean(str(value), names),
    )


_HOLES: dict[str, Callable[[Any, tuple[PathPart, ...], tuple[PathPart, ...]], Template]] = {
    "$choice": _choice,
    "$int": _integer,
    "$subset": _subset,
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


def _refusal(use: Callable[[Filling], object], filling: Filling) -> AttnspaceError | None:
    try:
        use(filling)
    except AttnspaceError as error:
        return error
    return None


def _same(option: Any, label: Any) -> bool:
    return type(option) is type(label) and bool(option == label)


def _holes(template: Template) -> Iterator[Hole]:
    if isinstance(template, Hole):
        yield template
        for option in template.options:
            yield from _holes(option)
    elif isinstance(template, Record):
        for part in template.parts:
            yield from _holes(part)


def _ancestors(template: Template, wanted: Hole) -> dict[int, int]:
    """For each hole that `wanted` lies inside: its id -> the option that leads there."""
    if isinstance(template, Record):
        return next((found for part in template.parts if (found := _ancestors(part, wanted))), {})
    if isinstance(template, Hole):
        for index, option in enumerate(template.options):
            if any(hole is wanted for hole in _holes(option)):
                return {id(template): index, **_ancestors(option, wanted)}
    return {}


def _at(template: Template, index: int, params: dict[str, Any]) -> Any:
    if isinstance(template, Fixed):
        return template.value
    if isinstance(template, Record):
        values = []
        for part in template.parts:
            index, here = divmod(index, part.size)
            values.append(_at(part, here, params))
        return values if template.is_list else dict(zip(template.keys, values, strict=True))
    for label, option in zip(template.labels, template.options, strict=True):
        if index < option.size:
            params[template.name] = label
            return _at(option, index, params)
        index -= option.size
    raise IndexError("no such filling")
