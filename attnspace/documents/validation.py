"""Validate plain data as pydantic models, with faults that say what, where, got, allowed, remedy.

pydantic's paths hold the tags and members of unions; here each fault has the path that the user wrote.
"""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from attnspace.documents.families import Member, is_family, kind_of, refresh
from attnspace.errors import NOTHING, AttnspaceError, PathPart

__all__ = ["did_you_mean", "some_of", "validate"]

Model = TypeVar("Model", bound=BaseModel)

MOST = 20
"""How many faults of a document are told besides the first."""


def validate(model: type[Model], data: Any, error: type[AttnspaceError]) -> Model:
    """Validate plain data as an instance of `model`; nothing is coerced.

    Raises:
        error: the first fault, with up to twenty others.
    """
    refresh()
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as cause:
        raise error(f"holds something that JSON has no word for: {cause}") from None
    try:
        return model.model_validate_json(text)
    except ValidationError as found:
        raise _explain(model, json.loads(text), found, error) from None  # with keys as JSON has them


def _explain(model: type[BaseModel], data: Any, found: ValidationError, error: type[AttnspaceError]) -> AttnspaceError:
    faults: dict[tuple[PathPart, ...], list[ErrorDetails]] = {}
    errors = found.errors(include_url=False)
    for detail in errors:
        place = detail["loc"]
        if detail["type"] == "too_short" and any(e["loc"][: len(place)] == place != e["loc"] for e in errors):
            continue  # its items are at fault, each reported by itself
        faults.setdefault(_document_path(data, detail), []).append(detail)
    # Where a number or a list may stand and the list has a fault, the fault is meant, not that it is no number.
    innermost = [
        next((at for at in faults if len(at) > len(path) and at[: len(path)] == path), path) for path in faults
    ]
    explained = [_explain_one(model, data, at, faults[at], error) for at in dict.fromkeys(innermost)]
    first, *others = explained
    first.others = tuple(others[:MOST])
    if left := others[MOST:]:
        first.others = (*first.others, error(f"and {len(left)} further faults"))
    return first


def _document_path(data: Any, detail: ErrorDetails) -> tuple[PathPart, ...]:
    """The path of a fault in the document: pydantic's location without its tags and union members."""
    at: list[PathPart] = []
    here = data
    location = list(detail["loc"])
    for i, part in enumerate(location):
        last = i == len(location) - 1
        if isinstance(here, Mapping):
            is_tag = part == here.get("kind") and part not in here
            if part == "import" and not last and not isinstance(here.get(part), Mapping | list):
                is_tag = True  # the key `import` of a section tells its kind, and holds nothing with parts
            if part in here and not is_tag:
                at.append(part)
                here = here[part]
            elif last and detail["type"] == "missing":
                at.append(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            at.append(part)
            here = here[part]
    context = detail.get("ctx", {})
    return (*at, *context["at"]) if detail["type"] == "fault" else tuple(at)


_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "dict": "a mapping",
    "model": "a mapping",
    "tuple": "a list",
    "list": "a list",
    "none": "null",
}


_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "letters, digits, '.', '_' and '-', beginning with a letter or digit",
    r"^[a-z][a-z0-9_]*$": "small letters, digits and '_', beginning with a letter",
    r"^[^:]+:[A-Za-z_][A-Za-z0-9_.]*$": "package.module:function or file.py:function",
    r"^(auto|cpu|cuda(:\d+)?)$": "auto, cpu, cuda or cuda:N",
    r"^[^/\\]+$": "a name without slashes",
}


def _explain_one(
    model: type[BaseModel],
    data: Any,
    at: tuple[PathPart, ...],
    details: list[ErrorDetails],
    error: type[AttnspaceError],
) -> AttnspaceError:
    detail = next((d for d in details if d["type"] == "fault"), details[0])
    kind, context = detail["type"], detail.get("ctx", {})
    value = _value_at(data, at)
    if kind == "fault":
        got = value if isinstance(value, str | int | float) else NOTHING
        return error(context["what"], at=at, got=got, allowed=context["allowed"], remedy=context["remedy"])
    if kind == "extra_forbidden":
        allowed = [name for name in _fields_at(model, data, at[:-1]) if name != "kind"]
        remedy = did_you_mean(str(at[-1]), allowed)
        return error(
            f"unknown key {str(at[-1])!r}",
            at=at,
            got=value,
            allowed=", ".join(allowed) or "no key besides kind",
            remedy=remedy,
        )
    if kind == "missing" and isinstance(detail["loc"][-1], int):
        return error("has too few items", at=at[:-1] if at and at[-1] == detail["loc"][-1] else at, got=value)
    if kind == "missing" and detail["loc"][-1] != at[-1]:  # a node written as its bare kind
        missing = detail["loc"][-1]
        word = {"kind": value, str(missing): "..."}
        return error(f"{value} needs {str(missing)!r}", at=at, got=value, remedy=f"write {json.dumps(word)}")
    if kind == "missing":
        return error("is missing", at=at, remedy=f"add {at[-1]!r}")
    if kind == "union_tag_not_found":
        options = _kinds_at(model, data, at)
        return error("has no 'kind'", at=at, got=value, allowed=f"kind: {', '.join(options)}")
    if kind == "union_tag_invalid":
        options = sorted(context["expected_tags"].replace("'", "").split(", "))
        tag = context["tag"]
        where = (*at, "kind") if isinstance(value, Mapping) else at
        remedy = did_you_mean(str(tag), options) or _other_family(str(tag), _models_at(model, data, at))
        return error(f"unknown kind {tag!r}", at=where, allowed=", ".join(options), remedy=remedy)
    wanted = " or ".join(dict.fromkeys(_wanted(d) for d in details))
    words = re.findall("'([^']+)'", str(context.get("expected", ""))) if kind == "literal_error" else []
    close = did_you_mean(str(value), words) if isinstance(value, str) else None
    return error(f"should be {wanted}", at=at, got=value, remedy=close or _rewritten(wanted, value))


def _other_family(kind: str, models: Iterable[type[BaseModel]]) -> str | None:
    """A remedy that names the family which a misplaced kind belongs to; None if no family has it."""
    families = [item for model in models if issubclass(model, Member) for item in model.registry.families.items()]
    found = next((name for name, family in families if kind in family.members), None)
    return f"{kind!r} is a {found}, which does not stand here" if found else None


def _rewritten(wanted: str, value: Any) -> str | None:
    """A remedy that shows how the value would be written where a list or a mapping is wanted, if one is known."""
    if isinstance(value, str) and wanted in ("a number", "a whole number"):
        return f"write {value}, without quotes" if re.fullmatch(r"-?\d+(\.\d+)?", value) else "write it in digits"
    if isinstance(value, str) and wanted == "a list":
        return f'write ["{value}"]'
    if isinstance(value, str) and wanted == "a mapping":
        return f'write {{"kind": "{value}", ...}}'
    if isinstance(value, Mapping) and wanted == "a list" and "kind" in value:
        return 'put it in brackets: [{"kind": ...}]'
    if isinstance(value, Mapping) and any(str(key).startswith("$") for key in value):
        return "holes are for spaces; a spec has none"
    return None


def _wanted(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        return f"{context['expected']}".replace("'", "")
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"text like {context['pattern']}")
    for name, words in (
        ("greater_than_equal", "at least {ge}"),
        ("greater_than", "more than {gt}"),
        ("less_than_equal", "at most {le}"),
        ("less_than", "less than {lt}"),
        ("too_short", "a list of at least {min_length}"),
        ("too_long", "a list of at most {max_length}"),
    ):
        if kind == name:
            return words.format(**context)
    stem = kind.rsplit("_", 1)[0]
    return _WANTED.get(stem, detail["msg"].removeprefix("Input should be ").removeprefix("Value error, "))


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """A remedy for a misspelt name, if one of the options is close."""
    lower = {option.lower(): option for option in options}
    close = [lower[found] for found in difflib.get_close_matches(word.lower(), lower, n=1)]
    return f"did you mean {close[0]!r}?" if close else None


def some_of(names: Iterable[object], empty: str = "") -> str:
    """The first eight names as text, with the number of all if there are more; `empty` if there are none."""
    texts = [str(name) for name in names]
    if not texts:
        return empty
    return ", ".join(texts[:8]) + (f", ... ({len(texts)} in all)" if len(texts) > 8 else "")


def _value_at(data: Any, at: tuple[PathPart, ...]) -> Any:
    for part in at:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _fields_at(model: type[BaseModel], data: Any, at: tuple[PathPart, ...]) -> list[str]:
    models = [m for m in _models_at(model, data, at) if not is_family(m)]
    here = next((m for m in models if _is_named(m, _value_at(data, at))), models[0] if models else None)
    return [field.alias or name for name, field in here.model_fields.items()] if here else []


def _is_named(model: type[BaseModel], data: Any) -> bool:
    """Whether the data name the kind of this model."""
    kind = data.get("kind", "import" if "import" in data else None) if isinstance(data, Mapping) else None
    field = model.model_fields.get("kind")
    return field is not None and kind in typing.get_args(field.annotation)


def _kinds_at(model: type[BaseModel], data: Any, at: tuple[PathPart, ...]) -> list[str]:
    return sorted(kind for m in _models_at(model, data, at) if issubclass(m, Member) for kind in m.family().members)


def _models_at(model: type[BaseModel], data: Any, at: tuple[PathPart, ...]) -> list[type[BaseModel]]:
    """The models that may stand at a path, found by following annotations and data together."""
    here: list[Any] = [_member(model, data)]
    for part in at:
        steps = [_step(annotation, part) for annotation in here]
        data = _value_at(data, (part,))
        here = [_member(found, data) for step in steps for found in _alternatives(step)]
    return [found for found in here if isinstance(found, type) and issubclass(found, BaseModel)]


def _member(annotation: Any, data: Any) -> Any:
    """The member of a family that the data's kind names; anything else as it is."""
    if isinstance(annotation, type) and issubclass(annotation, Member) and is_family(annotation):
        default = annotation.default_kind
        kind = data.get("kind") if isinstance(data, Mapping) else None
        return annotation.members.get(str(kind) if default is None else kind_of(data, default), annotation)
    return annotation


def _step(annotation: Any, part: PathPart) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        named = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return named.get(str(part))
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (tuple, list):
        return arguments[0]
    return arguments[1] if typing.get_origin(annotation) in (dict, Mapping) and len(arguments) == 2 else None


def _alternatives(annotation: Any) -> list[Any]:
    """Every type that an annotation admits, without Annotated and Union."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [found for option in typing.get_args(annotation) for found in _alternatives(option)]
    return [annotation]
