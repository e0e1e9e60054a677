"""How large, deep and long a document may be."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from attnspace.errors import AttnspaceError, PathPart

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "check_limits", "has_holes"]


MAX_BYTES = 1_000_000

MAX_DEPTH = 32

MAX_NODES = 1_000


def check_limits(data: Any, error: type[AttnspaceError]) -> None:
    """Refuse data nested deeper than MAX_DEPTH, with more than MAX_NODES mappings, or with a longer list than that.

    Raises:
        error: a limit is exceeded, or a value is none of JSON's.
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
    """Whether any mapping inside the data has a key that begins with `$`, other than `$schema`."""
    if isinstance(data, Mapping):
        return any(str(key).startswith("$") and key != "$schema" for key in data) or any(map(has_holes, data.values()))
    return isinstance(data, list | tuple) and any(map(has_holes, data))
