"""Whether JSON data is a filling of a template, and by which answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from attnspace.primitives import Branch
from attnspace.primitives.node import families
from attnspace.primitives.reduction import Reduction
from attnspace.space.holes import Fixed, Interval, Record, Template

__all__ = ["matches"]

Params = Mapping[str, Any]


def matches(template: Template, data: Any, models: Sequence[type[BaseModel]] = ()) -> Iterator[Params]:
    """Every way to answer the holes of `template` so that it becomes `data`.

    A field that one of them leaves out is taken for its default; `"avg"` is `{"kind": "avg"}`, and a bare number a
    ratio.
    """
    if isinstance(template, Interval):
        is_number = type(data) in (int, float)
        if is_number and template.low <= data <= template.high:
            yield {template.name: float(data)}
    elif isinstance(template, Fixed):
        part = _opened(template.value)
        if part is not None and isinstance(data, Mapping | list | tuple):
            yield from matches(part, data, models)
        elif _plain(template.value) == _plain(data) and isinstance(template.value, bool) == isinstance(data, bool):
            yield {}
    elif isinstance(template, Record):
        if template.is_list and isinstance(data, list | tuple):
            yield from _list(template, tuple(data), 0, models)
        elif not template.is_list:
            yield from _mapping(dict(zip(template.keys, template.parts, strict=True)), _written_out(data), models)
    else:
        for label, option in zip(template.labels, template.options, strict=True):
            for params in matches(option, data, models):
                yield {template.name: label, **params}


def _list(template: Record, data: tuple[Any, ...], first: int, models: Sequence[type[BaseModel]]) -> Iterator[Params]:
    """Ways for the parts from `first` on; a part that is spliced takes any number of items."""
    if first == len(template.parts):
        if not data:
            yield {}
        return
    counts = range(len(data) + 1) if first in template.spliced else range(1, 2)
    for count in counts:
        if count > len(data):
            return
        here: Any = list(data[:count]) if first in template.spliced else data[0]
        params = next(matches(template.parts[first], here, models), None)
        if params is not None:
            for rest in _list(template, data[count:], first + 1, models):
                yield {**params, **rest}
                if first not in template.spliced:
                    return


def _mapping(parts: Mapping[Any, Template], data: Any, models: Sequence[type[BaseModel]]) -> Iterator[Params]:
    if not isinstance(data, Mapping):
        return
    if parts.keys() == data.keys():
        yield from _all([(part, data[key]) for key, part in parts.items()], models)
        return
    for defaults in _defaults({*parts, *data}, data, models):
        pairs = [
            (parts[key] if key in parts else Fixed(defaults[key]), data[key] if key in data else defaults[key])
            for key in {**parts, **data}
        ]
        found = next(_all(pairs, models), None)
        if found is not None:
            yield found
            return


_MISSING: Any = object()


def _all(pairs: Sequence[tuple[Template, Any]], models: Sequence[type[BaseModel]]) -> Iterator[Params]:
    """Parts have no parameter in common: one way for each is enough."""
    whole: dict[str, Any] = {}
    for template, data in sorted(pairs, key=lambda pair: not isinstance(pair[0], Fixed)):  # what fails fast first
        found = next(matches(template, data, models), None)
        if found is None:
            return
        whole |= found
    yield whole


def _defaults(
    keys: set[Any], data: Mapping[Any, Any], models: Sequence[type[BaseModel]]
) -> Iterator[Mapping[Any, Any]]:
    """For each model that may be meant: the default of each of these fields that one side leaves out."""
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
    """A fixed mapping or list, its parts apart."""
    if isinstance(value, Mapping):
        return Record(tuple(value), tuple(map(Fixed, value.values())), is_list=False)
    if isinstance(value, list | tuple):
        return Record(tuple(range(len(value))), tuple(map(Fixed, value)), is_list=True)
    return None


def _written_out(data: Any) -> Any:
    """Short forms as mappings."""
    if isinstance(data, str):
        return {"kind": data}
    return {"ratio": data} if type(data) in (int, float) else data


def _plain(value: Any) -> Any:
    """Mappings that have a short form, as that."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, only),) = value.items()
        return only if key in ("kind", "ratio") else value
    return value
