"""A module -> the graph of its forward, each node with the variable that the traced code put its value in.

What is noted in the `meta` of a node:

    name          the variable, "" if there is none
    worth_a_line  whether the traced code gave the value a statement of its own, or the order of statements matters
    parts         the nodes that `rows, columns = value` takes out of the value, in that order
"""

from __future__ import annotations

import ast
import linecache
import operator
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from attnspace.export.leaves import is_called

__all__ = ["last_word", "trace"]

_TORCH = str(Path(torch.__file__).parent)
_SHAPE_SUFFIX = re.compile("_n[a-z0-9]{2,4}$")


def trace(module: nn.Module, example: Tensor) -> fx.Graph:
    """The graph of a module's forward; `example` is run through it to count the parts of a value that is iterated."""
    lengths: dict[str, int] = {}
    while True:
        tracer = _Tracer(lengths)
        try:
            graph = tracer.trace(module)
        except _IteratedError as iterated:
            (value,) = iterated.args
            tracer.graph.output(value)
            lengths[value.name] = len(fx.Interpreter(module, graph=tracer.graph).run(example))
        else:
            _name_values(graph, tracer.made)
            _keep_order(graph, module)
            return graph


class _Assignment(NamedTuple):
    """A statement `names = ...`; `is_list` if it assigns several values to one name."""

    line: int
    names: tuple[str, ...]
    is_list: bool


class _IteratedError(Exception):
    """Raised when the value of a node is iterated and the number of its parts is not known yet."""


class _Tracer(fx.Tracer):
    """Notes which nodes are made while an assignment runs; an assignment comes before those that run inside it."""

    proxy_buffer_attributes = True

    def __init__(self, lengths: dict[str, int]) -> None:
        super().__init__()
        self.lengths = lengths
        self.made: dict[tuple[FrameType, _Assignment], list[fx.Node]] = defaultdict(list)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_called(m)

    def iter(self, obj: fx.Proxy) -> Iterator[fx.Proxy]:
        if obj.node.name not in self.lengths:
            raise _IteratedError(obj.node)
        return iter([operator.getitem(obj, i) for i in range(self.lengths[obj.node.name])])

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta |= {"name": "", "worth_a_line": False, "parts": []}
        running = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not trace.__code__:
            assignment = _assignments(frame.f_code.co_filename).get(frame.f_lineno)
            if assignment is not None and not frame.f_code.co_name.startswith("<"):
                running.append((frame, assignment))
            frame = frame.f_back
        for key in reversed(running):
            self.made[key].append(node)
        return node


@lru_cache
def _assignments(file: str) -> dict[int, _Assignment]:
    """The assignment that each line of a file is part of, by line; none for torch's own files."""
    found: dict[int, _Assignment] = {}
    source = "" if file.startswith(_TORCH) else "".join(linecache.getlines(file))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            names = tuple(_SHAPE_SUFFIX.sub("", part.id) for part in parts if isinstance(part, ast.Name))
            is_list = isinstance(node.value, ast.ListComp | ast.List | ast.Tuple) and len(parts) == 1
            if len(names) == len(parts):
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                found |= dict.fromkeys(lines, _Assignment(node.lineno, names, is_list))
    return found


def _name_values(graph: fx.Graph, made: dict[tuple[FrameType, _Assignment], list[fx.Node]]) -> None:
    """Name the last value made while `name = ...` runs so, unless it is one of several of its kind in a list."""
    for (frame, (_, names, is_list)), nodes in reversed(made.items()):
        if len(names) > 1:
            _name_parts(nodes[-len(names) :], names)
            continue
        has_own_line = frame.f_code.co_name == "forward" and not is_list
        words = [last_word(node.target) for node in nodes]
        if has_own_line or words.count(words[-1]) == 1:
            nodes[-1].meta |= {"name": names[0], "worth_a_line": has_own_line}
    for node in graph.nodes:
        if node.target is getattr and len(node.args[0].users) == 1:  # fx makes these when they are first used
            base = node.args[0].meta
            node.meta |= {"name": base["name"], "worth_a_line": base["worth_a_line"]}
            base["worth_a_line"] = False


def _name_parts(parts: list[fx.Node], names: tuple[str, ...]) -> None:
    value: Any = parts[0].args[0]
    if [(part.target, part.args) for part in parts] == [(operator.getitem, (value, i)) for i in range(len(names))]:
        value.meta["parts"] = parts
        for part, name in zip(parts, names, strict=True):
            part.meta["name"] = name


def _keep_order(graph: fx.Graph, root: nn.Module) -> None:
    """Keep calls of one module with buffers in order, for the running statistics of a batch norm."""
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times = Counter(node.target for node in calls)
    for node in calls:
        if times[node.target] > 1 and list(root.get_submodule(str(node.target)).buffers()):
            node.meta["worth_a_line"] = True


def last_word(target: Any) -> str:
    """The last word in the name of what a node calls: `excite.0` -> excite."""
    words = [part for part in str(getattr(target, "__name__", target)).split(".") if part.isidentifier()]
    return words[-1] if words else "y"
