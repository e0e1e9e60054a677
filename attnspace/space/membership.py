"""Whether JSON data is a filling of a template, and by which answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from attnspace.primitives import Branch
from attnspace.primitives.node import families
from attnspace.primitives.reduction import Reduction
from attnspace.space.template import Fixed, Hole, Interval, Record, Template, Traversal

__all__ = ["matches"]

Choices = Mapping[str, Any]


def matches(template: Template, data: Any, models: Sequence[type[BaseModel]] = ()) -> Iterator[Choices]:
    """Every way to answer the holes of `template` so that it becomes `data`.

    A field that either of them leaves out has its default; `"avg"` stands for `{"kind": "avg"}`, a bare number for a
    ratio.
    """
    return _Matcher(data, models)(template)


class _Matcher(Traversal[Iterator[Choices]]):
    """Compares a node with the data that stands in its place; inner nodes have matchers of their own.

    Args:
        data: what stands in the place of the node.
        models: further models whose defaults may be left out.
    """

    def __init__(self, data: Any, models: Sequence[type[BaseModel]]) -> None:
        self.data = data
        self.models = models

    def fixed(self, node: Fixed) -> Iterator[Choices]:
        value, data = node.value, self.data
        inside = _opened(value)
        if inside is not None and isinstance(data, Mapping | list | tuple):
            yield from self(inside)
        elif _plain(value) == _plain(data) and isinstance(value, bool) == isinstance(data, bool):
            yield {}

    def record(self, node: Record) -> Iterator[Choices]:
        if node.is_list and isinstance(self.data, list | tuple):
            yield from self._items(node, tuple(self.data), 0)
        elif not node.is_list:
            yield from self._fields(dict(zip(node.keys, node.parts, strict=True)), _written_out(self.data))

    def hole(self, node: Hole) -> Iterator[Choices]:
        for label, option in zip(node.labels, node.options, strict=True):
            for choices in self(option):
                yield {node.name: label, **choices}

    def interval(self, node: Interval) -> Iterator[Choices]:
        is_number = type(self.data) in (int, float)
        if is_number and node.low <= self.data <= node.high:
            yield {node.name: float(self.data)}

    def _first(self, part: Template, data: Any) -> Choices | None:
        """One way to answer the holes of a part. Parts have no hole in common, so that one way for each is enough."""
        return next(matches(part, data, self.models), None)

    def _items(self, node: Record, data: tuple[Any, ...], first: int) -> Iterator[Choices]:
        """Ways to answer the parts of a list from `first` on; a part that is spliced takes any number of items."""
        if first == len(node.parts):
            if not data:
                yield {}
            return
        is_spliced = first in node.spliced
        counts = range(len(data) + 1) if is_spliced else range(1, 2)
        for count in counts:
            if count > len(data):
                return
            here = self._first(node.parts[first], list(data[:count]) if is_spliced else data[0])
            if here is not None:
                for rest in self._items(node, data[count:], first + 1):
                    yield {**here, **rest}
                    if not is_spliced:
                        return

    def _fields(self, parts: Mapping[Any, Template], data: Any) -> Iterator[Choices]:
        """Ways to answer the parts of a mapping, whose keys may be left out on either side."""
        if not isinstance(data, Mapping):
            return
        if parts.keys() == data.keys():
            yield from self._all([(part, data[key]) for key, part in parts.items()])
            return
        for defaults in _defaults({*parts, *data}, data, self.models):
            pairs = [
                (parts[key] if key in parts else Fixed(defaults[key]), data[key] if key in data else defaults[key])
                for key in {**parts, **data}
            ]
            found = next(self._all(pairs), None)
            if found is not None:
                yield found
                return

    def _all(self, pairs: Sequence[tuple[Template, Any]]) -> Iterator[Choices]:
        """One way to answer all of these parts, each paired with its data; nothing if there is none."""
        whole: dict[str, Any] = {}
        for part, data in sorted(pairs, key=lambda pair: not isinstance(pair[0], Fixed)):  # what fails fast first
            found = self._first(part, data)
            if found is None:
                return
            whole |= found
        yield whole


_MISSING: Any = object()
"""Stands for a required field that is left out; it is equal to no data."""


def _defaults(
    keys: set[Any], data: Mapping[Any, Any], models: Sequence[type[BaseModel]]
) -> Iterator[Mapping[Any, Any]]:
    """The defaults of these fields, for each model that may be meant."""
    if "kind" in keys:
        kind = data.get("kind")
        candidates: list[type[BaseModel]] = [
            member for family in families().values() for name, member in family.members.items() if name == kind
        ]
    else:
        candidates = [Branch, Reduction, *models]
    for model in candidates:
        if keys <= model.model_fields.keys():
            fields = model.model_fields
            yield {
                key: _MISSING if fields[key].is_required() else to_jsonable_python(fields[key].default) for key in keys
            }


def _opened(value: Any) -> Record | None:
    """A fixed mapping or list as a record of fixed parts; None for any other value."""
    if isinstance(value, Mapping):
        return Record(tuple(value), tuple(map(Fixed, value.values())), is_list=False)
    if isinstance(value, list | tuple):
        return Record(tuple(range(len(value))), tuple(map(Fixed, value)), is_list=True)
    return None


def _written_out(data: Any) -> Any:
    """Write a short form out as a mapping: `"avg"` as `{"kind": "avg"}`, 16 as `{"ratio": 16}`."""
    if isinstance(data, str):
        return {"kind": data}
    return {"ratio": data} if type(data) in (int, float) else data


def _plain(value: Any) -> Any:
    """Shorten a mapping that has a short form: `{"kind": "avg"}` to `"avg"`."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, only),) = value.items()
        return only if key in ("kind", "ratio") else value
    return value
