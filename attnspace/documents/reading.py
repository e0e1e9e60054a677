"""Read JSON and YAML into plain data, within limits; faults name their place, and no key may stand twice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from attnspace.documents.document import Document
from attnspace.documents.limits import MAX_BYTES, MAX_DEPTH, MAX_NODES
from attnspace.errors import AttnspaceError, PathPart

__all__ = ["parse_json", "read"]


def read(path: str | Path, error: type[AttnspaceError]) -> Document:
    """Read a `.json`, `.yaml` or `.yml` file.

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
    """Parse JSON text into plain data; a key written twice is a fault.

    Raises:
        error: the text is not well-formed.
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

    if len(text) > MAX_BYTES:
        raise error("is too long", got=f"{len(text):,} characters", allowed=f"up to {MAX_BYTES:,}")
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
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 does, and leaves dates and times of day as text."""


class _NoTime:
    """A pattern of numbers without those in base 60, by which YAML 1.1 reads 1:30 as 90."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def match(self, text: str) -> re.Match[str] | None:
        return None if ":" in text else self._pattern.match(text)


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, _NoTime(pattern) if tag in _NUMBERS else pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:timestamp"
    ]
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
                raise error("is empty", file=file, remedy="write into it, or give another file")
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
    except AttnspaceError:
        raise
    except (ValueError, KeyError, AttributeError, TypeError) as cause:  # how PyYAML reports a scalar it cannot read
        raise error(f"holds a value that cannot be read: {cause}", file=file) from None
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
