"""Pieces of Python source: constants, paths and calls that wrap."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from typing import Any

__all__ = ["WIDTH", "call", "dotted", "indented", "literal"]

WIDTH = 100
"""The width of a line, in characters."""


def literal(value: Any) -> str:
    """The source of a constant."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def dotted(path: str) -> str:
    """The source of a path: `excite.0.weight` -> `self.excite[0].weight`."""
    return "self" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))


def call(head: str, arguments: list[str], column: int) -> str:
    """A call on one line if it fits, otherwise with each argument on its own; a ModuleList takes a list of them."""
    start, end = ("([", "])") if head == "nn.ModuleList" else ("(", ")")
    line = f"{head}{start}{', '.join(arguments)}{end}"
    if "\n" not in line and len(line) + column < WIDTH:
        return line
    return f"{head}{start}\n{indented(f'{argument},' for argument in arguments)}\n{end}"


def indented(lines: Iterable[str]) -> str:
    """The lines, indented by one level."""
    return textwrap.indent("\n".join(lines), "    ")
