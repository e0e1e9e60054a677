"""Files: JSON and YAML into plain data, within limits, with faults that name their place; and whole files out.

Duplicate keys are refused, and so is what exceeds the limits of size, depth and number of nodes.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from attnspace.errors import AttnspaceError, PathPart, RunFailed

__all__ = [
    "Document",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "check_limits",
    "has_holes",
    "parse_json",
    "read",
    "write_bytes",
    "write_text",
]

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 1_000


@dataclass(frozen=True)
class Document:
    """The data of one file, and where each part of it stands.

    Attributes:
        data: what the file says, as mappings, lists and scalars.
        file: its path, as the user gave it.
        lines: path in the document -> line number, where the format tells.
        over: the document whose keys took the place of this one's.
        whole: sections that are the other's alone.
    """

    data: Any
    file: str
    lines: Mapping[tuple[PathPart, ...], int] = field(default_factory=dict)
    over: Document | None = None
    whole: tuple[str, ...] = ()

    def under(self, over: Document, same_kind: Callable[[str, Any, Any], bool]) -> Document:
        """This document with what another one says in place of what it says; mappings are merged.

        Args:
            over: the other one.
            same_kind: whether two sections of this name may be merged; else the other one's is taken whole.
        """
        if not isinstance(self.data, dict) or not isinstance(over.data, dict):
            return replace(self, data=over.data, over=over)
        merged, alone = dict(self.data), []
        for name, section in over.data.items():
            if name not in merged or not same_kind(name, merged[name], section):
                alone.append(name)
            merged[name] = section if name in alone else _merged(merged[name], section)
        return replace(self, data=merged, over=over, whole=tuple(alone))

    def place(self, error: AttnspaceError) -> AttnspaceError:
        """Name the file, and the line if known, in an error that lacks them."""
        if error.file is None and self.over is not None and self._is_overs(error.at):
            return self.over.place(error)
        if error.file is None:
            at = error.at
            while at and at not in self.lines:
                at = at[:-1]
            line = self.lines.get(at) if at else None
            error.file = f"{self.file}:{line}" if line else self.file
        return error

    def _is_overs(self, at: tuple[PathPart, ...]) -> bool:
        """Whether what a path leads to comes from the document over this one."""
        assert self.over
        return (bool(at) and at[0] in self.whole) or self.over._says(at)

    def _says(self, at: tuple[PathPart, ...]) -> bool:
        """Whether what a path leads to, or the list that it leads into, stands in this document."""
        here = self.data
        for part in at:
            if not isinstance(here, dict):
                break
            if part not in here:
                return False
            here = here[part]
        return bool(at)


def _merged(before: Any, now: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return now
    return {**before, **{key: _merged(before[key], value) if key in before else value for key, value in now.items()}}


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


def check_limits(data: Any, error: type[AttnspaceError]) -> None:
    """Refuse data nested deeper than MAX_DEPTH objects or with more than MAX_NODES of them.

    Raises:
        error: beyond a limit, or something that JSON has no word for.
    """
    nodes = items_seen = 0
    pending: list[tuple[Any, tuple[PathPart, ...], int, int]] = [(data, (), 0, 0)]
    while pending:
        value, at, depth, lists = pending.pop()
        items_seen += 1
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
        if nodes > MAX_NODES or max(items_seen, len(pending)) > 100 * MAX_NODES:
            raise error("has too many nodes", allowed=f"up to {MAX_NODES}")
        for key, item in items:
            if not isinstance(key, Hashable) or not isinstance(key, str | int):
                raise error(f"key {key!r} is no text", at=at)
            pending.append((item, (*at, key), depth, lists))


def has_holes(data: Any) -> bool:
    """Whether any mapping inside has a key that begins with `$`, `$schema` apart."""
    if isinstance(data, Mapping):
        return any(str(key).startswith("$") and key != "$schema" for key in data) or any(map(has_holes, data.values()))
    return isinstance(data, list | tuple) and any(map(has_holes, data))


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none of it.

    Raises:
        RunFailed: it cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or none of it.

    Raises:
        RunFailed: it cannot be written.
    """
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as cause:
        with contextlib.suppress(OSError):  # what matters is why it could not be written
            partial.unlink(missing_ok=True)
        raise RunFailed(f"cannot be written: {cause.strerror}", file=str(path)) from None
