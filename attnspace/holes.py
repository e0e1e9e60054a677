"""Holes: JSON data with alternatives in it, compiled to a tree of parameters.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import prod
from typing import Any

from attnspace.documents import has_holes
from attnspace.errors import PathPart, SpaceError, join_path, within
from attnspace.primitives import Block, families
from attnspace.spec import dump_spec, load_spec
from attnspace.validation import did_you_mean

__all__ = ["Fixed", "Hole", "Pick", "Record", "Template", "compile_template"]

MAX_OPTIONS = 1_024
Pick = Callable[["Hole"], int]


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
        offered: whether `$any` made it, so that an option that is not possible is no fault of the user's.
    """

    name: str
    labels: tuple[Any, ...]
    options: tuple[Template, ...]
    integers: tuple[int, int] | None = None
    offered: bool = False

    @cached_property
    def size(self) -> int:
        return sum(option.size for option in self.options)

    def fill(self, pick: Pick) -> Any:
        return self.options[pick(self)].fill(pick)


Template = Fixed | Record | Hole


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
    elif isinstance(data, list | tuple):
        keys = tuple(range(len(data)))
        parts = tuple(compile_template(value, (*at, i), (*name, i)) for i, value in enumerate(data))
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
