"""Text files into checked data: JSON and YAML, within limits, with faults that name their place.

    text -> plain data (duplicate keys, size, depth and node limits) -> pydantic model

Every fault leaves as an AttnspaceError that says what, where, got, allowed, remedy.
"""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from attnspace.errors import NOTHING, AttnspaceError, PathPart
from attnspace.primitives.node import Node, is_family, refresh

__all__ = ["Document", "MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "check_limits", "parse_json", "read", "validate"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 1_000

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """The data of one file, and where each part of it stands.

    Attributes:
        data: what the file says, as mappings, lists and scalars.
        file: its path, as the user gave it.
        lines: path in the document -> line number, where the format tells.
    """

    data: Any
    file: str
    lines: Mapping[tuple[PathPart, ...], int] = field(default_factory=dict)

    def place(self, error: AttnspaceError) -> AttnspaceError:
        """Name the file, and the line if known, in an error that lacks them."""
        if error.file is None:
            at = error.at
            while at and at not in self.lines:
                at = at[:-1]
            line = self.lines.get(at) if error.at else None
            error.file = f"{self.file}:{line}" if line else self.file
        return error


def read(path: str | Path, error: type[AttnspaceError]) -> Document:
    """The data of a `.json`, `.yaml` or `.yml` file.

    Raises:
        error: the file cannot be read, is too large, or is not well-formed.
    """
    file = str(path)
    source = Path(path)
    try:
        with source.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise error("no such file", file=file, remedy="check the path") from None
    except IsADirectoryError:
        raise error("this is a directory", file=file, allowed="a JSON or YAML file") from None
    except OSError as cause:
        raise error(f"cannot be read: {cause.strerror}", file=file) from None
    except UnicodeDecodeError:
        raise error("is not a text file", file=file, allowed="JSON or YAML in UTF-8") from None
    if len(raw) > MAX_BYTES:
        raise error("is too large", file=file, allowed=f"up to {MAX_BYTES} bytes")
    if source.suffix == ".json":
        try:
            return Document(parse_json(text, error), file)
        except AttnspaceError as fault:
            fault.file = fault.file or file
            raise
    return _read_yaml(text, file, error)


def parse_json(text: str, error: type[AttnspaceError]) -> Any:
    """JSON text as plain data; a key written twice is a fault.

    Raises:
        error: not well-formed.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise error(f"key {twice!r} is written twice in one object", remedy="remove one")
        return found

    def no_constant(name: str) -> Any:
        raise error(f"{name} is not a JSON number", remedy="use a finite number")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except json.JSONDecodeError as cause:
        raise error(f"is not JSON: {cause.msg} at line {cause.lineno}, column {cause.colno}") from None
    except RecursionError:
        raise error("is nested too deep", allowed=f"up to {MAX_DEPTH} levels") from None
    except AttnspaceError:
        raise
    except ValueError as cause:  # integers of more digits than Python converts
        raise error(f"is not usable JSON: {cause}") from None


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 does, and leaves dates as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _read_yaml(text: str, file: str, error: type[AttnspaceError]) -> Document:
    lines: dict[tuple[PathPart, ...], int] = {}
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise error("is empty", file=file)
            _walk_yaml(root, (), lines, file, error, 0, set())
            data = loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise error(f"is not YAML: {cause.problem or cause}", file=where) from None
    except yaml.YAMLError as cause:
        raise error(f"is not YAML: {cause}", file=file) from None
    except RecursionError:
        raise error("is nested too deep", file=file, allowed=f"up to {MAX_DEPTH} levels") from None
    return Document(data, file, lines)


def _walk_yaml(
    node: yaml.Node,
    at: tuple[PathPart, ...],
    lines: dict[tuple[PathPart, ...], int],
    file: str,
    error: type[AttnspaceError],
    depth: int,
    above: set[int],
) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if id(node) in above or depth > 3 * MAX_DEPTH:
        raise error("is nested too deep", at=at, file=file, allowed=f"up to {MAX_DEPTH} levels")
    if len(lines) > 100 * MAX_NODES:
        raise error("has too many entries", file=file, allowed=f"up to {100 * MAX_NODES}")
    inside = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value
            if not isinstance(name, str):
                raise error("a key is not text", at=at, file=f"{file}:{key.start_mark.line + 1}")
            if (*at, name) in lines:
                where = f"{file}:{key.start_mark.line + 1}"
                raise error(f"key {name!r} is written twice", at=at, file=where, remedy="remove one")
            lines[(*at, name)] = key.start_mark.line + 1
            _walk_yaml(value, (*at, name), lines, file, error, depth + 1, inside)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _walk_yaml(value, (*at, i), lines, file, error, depth + 1, inside)


def check_limits(data: Any, error: type[AttnspaceError]) -> None:
    """Refuse data nested deeper than MAX_DEPTH objects or with more than MAX_NODES of them.

    Raises:
        error: beyond a limit, or something that JSON has no word for.
    """
    nodes = 0
    pending: list[tuple[Any, tuple[PathPart, ...], int, int]] = [(data, (), 0, 0)]
    while pending:
        value, at, depth, lists = pending.pop()
        if isinstance(value, Mapping):
            nodes, depth, lists = nodes + 1, depth + 1, 0
            items: Iterable[tuple[PathPart, Any]] = value.items()
        elif isinstance(value, list | tuple):
            lists += 1
            if len(value) > MAX_NODES:
                raise error("a list is too long", at=at, allowed=f"up to {MAX_NODES} items")
            items = enumerate(value)
        elif value is None or isinstance(value, str | int | float):
            continue
        else:
            raise error(f"{type(value).__name__} is no JSON value", at=at)
        if depth > MAX_DEPTH or lists > MAX_DEPTH:
            raise error("is nested too deep", at=at[:8], allowed=f"up to {MAX_DEPTH} nodes inside one another")
        if nodes > MAX_NODES or len(pending) > 100 * MAX_NODES:
            raise error("has too many nodes", allowed=f"up to {MAX_NODES}")
        for key, item in items:
            if not isinstance(key, Hashable) or not isinstance(key, str | int):
                raise error(f"key {key!r} is no text", at=at)
            pending.append((item, (*at, key), depth, lists))


def validate(model: type[Model], data: Any, error: type[AttnspaceError]) -> Model:
    """Plain data as an instance of `model`; nothing is coerced.

    Raises:
        error: for the first fault, saying how many there are.
    """
    refresh()
    try:
        text = json.dumps(data, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise error(f"holds something that JSON has no word for: {cause}") from None
    try:
        return model.model_validate_json(text)
    except ValidationError as found:
        raise _explain(model, data, found, error) from None


def _explain(model: type[BaseModel], data: Any, found: ValidationError, error: type[AttnspaceError]) -> AttnspaceError:
    faults: dict[tuple[PathPart, ...], list[ErrorDetails]] = {}
    for detail in found.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # its items are at fault, each reported by itself
        faults.setdefault(_document_path(data, detail), []).append(detail)
    at, details = next(iter(faults.items()))
    explained = _explain_one(model, data, at, details, error)
    if len(faults) > 1:
        others = ", ".join(".".join(map(str, path)) or "the whole" for path in list(faults)[1:4])
        explained.remedy = "; ".join(filter(None, [explained.remedy, f"(faults also at {others})"]))
    return explained


def _document_path(data: Any, detail: ErrorDetails) -> tuple[PathPart, ...]:
    """Pydantic's location without the tags and union members that it weaves in."""
    at: list[PathPart] = []
    here = data
    location = list(detail["loc"])
    for i, part in enumerate(location):
        last = i == len(location) - 1
        if isinstance(here, Mapping):
            is_tag = part == here.get("kind") and part not in here
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
            f"unknown key {str(at[-1])!r}", at=at, got=value, allowed=", ".join(allowed) or "none", remedy=remedy
        )
    if kind == "missing":
        return error("is missing", at=at, remedy=f"add {at[-1]!r}")
    if kind == "union_tag_not_found":
        options = _kinds_at(model, data, at)
        return error("has no 'kind'", at=at, got=value, allowed=f"kind: {', '.join(options)}")
    if kind == "union_tag_invalid":
        options = sorted(context["expected_tags"].replace("'", "").split(", "))
        tag = context["tag"]
        where = (*at, "kind") if isinstance(value, Mapping) else at
        return error(
            f"unknown kind {tag!r}", at=where, allowed=", ".join(options), remedy=did_you_mean(str(tag), options)
        )
    wanted = " or ".join(dict.fromkeys(_wanted(d) for d in details))
    return error(f"should be {wanted}", at=at, got=value)


def _wanted(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        return f"{context['expected']}".replace("'", "")
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
    close = difflib.get_close_matches(word, list(options), n=1)
    return f"did you mean {close[0]!r}?" if close else None


def _value_at(data: Any, at: tuple[PathPart, ...]) -> Any:
    for part in at:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _fields_at(model: type[BaseModel], data: Any, at: tuple[PathPart, ...]) -> list[str]:
    here = next((m for m in _models_at(model, data, at) if not is_family(m)), None)
    return [field.alias or name for name, field in here.model_fields.items()] if here else []


def _kinds_at(model: type[BaseModel], data: Any, at: tuple[PathPart, ...]) -> list[str]:
    return sorted(kind for m in _models_at(model, data, at) if issubclass(m, Node) for kind in m.family().members)


def _models_at(model: type[BaseModel], data: Any, at: tuple[PathPart, ...]) -> list[type[BaseModel]]:
    """The models that may stand at a path, found by walking the annotations beside the data."""
    here: list[Any] = [_member(model, data)]
    for part in at:
        steps = [_step(annotation, part) for annotation in here]
        data = _value_at(data, (part,))
        here = [_member(found, data) for step in steps for found in _alternatives(step)]
    return [found for found in here if isinstance(found, type) and issubclass(found, BaseModel)]


def _member(annotation: Any, data: Any) -> Any:
    """The member of a family that the data's kind names; anything else as it is."""
    if isinstance(annotation, type) and issubclass(annotation, Node) and is_family(annotation):
        kind = data.get("kind") if isinstance(data, Mapping) else None
        return annotation.members.get(str(kind), annotation)
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
