"""Holes: JSON data with alternatives in it, compiled to a template.

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
from dataclasses import replace
from itertools import combinations
from typing import Any

from attnspace.documents.limits import has_holes
from attnspace.documents.validation import did_you_mean
from attnspace.errors import PathPart, SpaceError, join_path, within
from attnspace.language.specs import dump_spec, load_spec
from attnspace.primitives import Block
from attnspace.primitives.node import families
from attnspace.space.template import Fixed, Hole, Interval, Record, Template, Transformer

__all__ = ["MAX_REPEATS", "compile_template"]

MAX_OPTIONS, MAX_REPEATS = 1_024, 16


def compile_template(data: Any, at: tuple[PathPart, ...] = (), name: tuple[PathPart, ...] = ()) -> Template:
    """Compile JSON data to a template; `at` is the path in the document, `name` the path that names its parameters.

    Raises:
        SpaceError: a hole is faulty.
    """
    if isinstance(data, Mapping):
        marks = [str(key) for key in data if str(key).startswith("$")]
        if marks:
            return _compile_hole(data, marks, at, name)
        keys: tuple[PathPart, ...] = tuple(data)
        parts = tuple(compile_template(data[key], (*at, key), (*name, key)) for key in keys)
        return _closed(Record(keys, parts, is_list=False))
    if isinstance(data, list | tuple):
        keys = tuple(range(len(data)))
        parts = tuple(compile_template(value, (*at, i), (*name, i)) for i, value in enumerate(data))
        repeats = frozenset(i for i, value in enumerate(data) if isinstance(value, Mapping) and "$repeat" in value)
        return _closed(Record(keys, parts, is_list=True, spliced=repeats))
    return Fixed(data)


def _closed(record: Record) -> Template:
    """The record, or fixed data if all its parts are fixed, as a hole such as `{"$published": ...}` may be too."""
    values = [part.value for part in record.parts if isinstance(part, Fixed)]
    return Fixed(record.assembled(values)) if len(values) == len(record.parts) else record


_BESIDE = {"$float": ("log",)}
"""The keys that may stand beside a hole's own key."""


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
    lists = tuple(_closed(Record(tuple(range(n)), items[:n], is_list=True)) for n in range(low, high + 1))
    return lists[0] if low == high else Hole(join_path(name), tuple(range(low, high + 1)), lists, (low, high))


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
        return _Offer()(compile_template(kinds[value].any_of(), at, name))
    if value == "excite":
        searched = [layer.any_of() for layer in known["layer"].members.values() if layer.searched]
        return _Offer()(compile_template([{"$choice": searched}], at, name))
    if value in known:
        members = [member.any_of() for member in known[value].members.values() if member.searched]
        return _Offer()(_choice(members, at, name))
    names = sorted([*known, *kinds, "excite"])
    raise SpaceError(
        "should be a family or a kind of block",
        at=at,
        got=value,
        allowed=", ".join(names),
        remedy=did_you_mean(str(value), names),
    )


class _Offer(Transformer):
    """Marks every hole as made by `$any`."""

    def hole(self, node: Hole) -> Template:
        return replace(node, options=tuple(map(self, node.options)), offered=True)


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
        example = '["avg", "max"]'
        raise SpaceError(f"should be a list of {what}", at=at, got=value, allowed=f"one or more, such as {example}")
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
