"""A graph with names -> the statements of `forward`: what is used once is written where it is used."""

from __future__ import annotations

import builtins
import keyword
import operator
from collections import Counter
from collections.abc import Iterator
from itertools import chain, count
from typing import Any

from torch import fx

from attnspace.export.expressions import HOMES, INFIX, Names, expression, operand
from attnspace.export.text import WIDTH
from attnspace.export.tracing import last_word

__all__ = ["statements"]

_NOUNS = {
    **{"max": "peak", "amax": "peak", "sum": "total", "+": "total", "sigmoid": "gate", "softmax": "weights"},
    **{"transpose": "swapped", "flatten": "flat", "cat": "joined", "to": "y", "sqrt": "root"},
}
"""The name of a value by the operation that makes it, for values that have none in the traced code."""

_RESERVED = {"self", "nn", *HOMES, *keyword.kwlist, *dir(builtins)}
_INDENT = 8


def statements(graph: fx.Graph) -> list[str]:
    """The statements of `forward(self, x)`; of one that is too long, a part is assigned in a statement before it."""
    forward = _Forward(graph)
    while True:
        steps, lines, names = forward.written()
        too_long = [step for step, line in zip(steps, lines, strict=True) if len(line) > WIDTH - _INDENT]
        inside = {node for step in too_long for node in forward.inlined(step) if not forward.is_cheap(node)}
        if not inside:
            return lines
        lengths = {node: len(expression(node, names)) for node in forward.nodes if node in inside}
        ranks = {node: (not _belongs_to_next(node), size <= WIDTH / 2, size) for node, size in lengths.items()}
        forward.assigned.add(max(ranks, key=lambda node: ranks[node]))


def _belongs_to_next(node: fx.Node) -> bool:
    return node.target in INFIX or any(user.target is getattr for user in node.users)


class _Forward:
    """Decides which values are assigned: those with several uses, or with a line of their own in the traced code."""

    def __init__(self, graph: fx.Graph) -> None:
        self.input, *self.nodes, self.output = graph.nodes
        self.parts = {part for node in self.nodes for part in node.meta["parts"]}
        self.assigned = {self.input}
        uses = Counter(read for node in graph.nodes for read in _operands(node))
        for node in self.nodes:  # one by one: what is cheap depends on what was assigned before
            is_line = node.meta["worth_a_line"] and node not in _operands(self.output)
            is_reused = (uses[node] > 1 or is_line) and not self.is_cheap(node)
            if node.meta["parts"] or node in self.parts or is_reused:
                self.assigned.add(node)

    def is_cheap(self, node: fx.Node) -> bool:
        """Whether a value may be written several times, such as `x.shape[2]`."""
        if node.target not in (getattr, operator.getitem) or not isinstance(node.args[1], int | str):
            return node.op == "get_attr"
        base = node.args[0]
        return isinstance(base, fx.Node) and (base in self.assigned or self.is_cheap(base))

    def inlined(self, node: fx.Node) -> Iterator[fx.Node]:
        """The nodes whose expressions are written inside the statement of this one."""
        for read in _operands(node):
            if read not in self.assigned:
                yield read
                yield from self.inlined(read)

    def written(self) -> tuple[list[fx.Node], list[str], Names]:
        """The nodes that have a statement, the output last; their statements; and the name of each value in these."""
        steps = [node for node in self.nodes if node in self.assigned - self.parts]
        read_last: dict[fx.Node, int] = {}
        for i, step in enumerate([*steps, self.output]):
            for node in (step, *self.inlined(step)):
                read_last |= dict.fromkeys(_operands(node), i)
        names, lines = {self.input: "x"}, []
        for i, step in enumerate(steps):
            text = expression(step, names)
            alive = {name for node, name in names.items() if read_last.get(node, -1) > i}
            targets = step.meta["parts"] or [step]
            for target in targets:
                names[target] = _free_name(target, names, alive)
                alive.add(names[target])
            lines.append(f"{', '.join(names[target] for target in targets)} = {text}")
        return [*steps, self.output], [*lines, f"return {operand(self.output.args[0], names)}"], names


def _operands(node: fx.Node) -> list[fx.Node]:
    """The nodes that a node reads, each as often as it is read."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), found.append)
    return found


def _free_name(node: fx.Node, names: Names, alive: set[str]) -> str:
    """A name that no value still in use has: from the traced code, from the left operand, or a noun."""
    base: Any = node.args[0]
    if node.meta["name"]:
        wanted = [node.meta["name"]]
    elif node.target in INFIX:
        symbol = INFIX[node.target][0]
        wanted = [*([names[base]] if base in names else []), _NOUNS.get(symbol, "y")]
    else:
        word = last_word(base.target if node.target is getattr else node.target)
        wanted = [_NOUNS.get(word, word)]
    numbered = (f"{wanted[-1]}{i}" for i in count(2))
    return next(name for name in chain(wanted, numbered) if name not in alive | _RESERVED)
