"""One node of a graph -> an expression, its operands written in it unless they have a name."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from attnspace.errors import ExportError
from attnspace.export.text import dotted, literal

__all__ = ["HOMES", "INFIX", "Names", "expression", "operand"]

Names = Mapping[fx.Node, str]
"""The variable that holds the value of each node, by node."""

_COMPARISON, _SUM, _PRODUCT, _UNARY, _ATOM = range(5)
"""How tightly an expression binds, the loosest first: one inside a tighter one needs brackets."""

INFIX: dict[Any, tuple[str, int]] = {
    operator.gt: (">", _COMPARISON),
    operator.add: ("+", _SUM),
    operator.sub: ("-", _SUM),
    operator.mul: ("*", _PRODUCT),
    operator.truediv: ("/", _PRODUCT),
    operator.matmul: ("@", _PRODUCT),
}
HOMES = {"torch": torch, "F": F, "torch.linalg": torch.linalg}


def expression(node: fx.Node, names: Names) -> str:
    """The source of the expression that computes the value of a node."""
    return _expression(node, names)[0]


def operand(value: Any, names: Names) -> str:
    """The source that stands for a value: a variable, an expression or a constant."""
    return _operand(value, names)[0]


def _expression(node: fx.Node, names: Names) -> tuple[str, int]:
    """The source of a node's expression, and how tightly it binds."""
    args, target = node.args, node.target
    if node.op == "get_attr":
        return dotted(str(target)), _ATOM
    if node.op == "call_module":
        return f"{dotted(str(target))}({_arguments(node, args, names)})", _ATOM
    if node.op == "call_method":
        return f"{_bound(args[0], _ATOM, names)}.{target}({_arguments(node, args[1:], names)})", _ATOM
    if target is getattr:
        return f"{_bound(args[0], _ATOM, names)}.{args[1]}", _ATOM
    if target is operator.getitem:
        index = operand(args[1], names)
        bare = index[1:-1] if isinstance(args[1], tuple) else index
        return f"{_bound(args[0], _ATOM, names)}[{bare}]", _ATOM
    if target is operator.neg:
        return f"-{_bound(args[0], _UNARY, names)}", _UNARY
    if target in INFIX:
        symbol, strength = INFIX[target]
        return f"{_bound(args[0], strength, names)} {symbol} {_bound(args[1], strength + 1, names)}", strength
    return f"{_function(target)}({_arguments(node, args, names)})", _ATOM


def _operand(value: Any, names: Names) -> tuple[str, int]:
    if isinstance(value, fx.Node):
        return (names[value], _ATOM) if value in names else _expression(value, names)
    if isinstance(value, slice):
        return ":".join("" if end is None else operand(end, names) for end in (value.start, value.stop)), _ATOM
    if isinstance(value, list | tuple):
        items = ", ".join(operand(item, names) for item in value)
        if isinstance(value, list):
            return f"[{items}]", _ATOM
        return f"({items}{',' if len(value) == 1 else ''})", _ATOM
    return literal(value), _ATOM


def _bound(value: Any, strength: int, names: Names) -> str:
    text, own = _operand(value, names)
    return text if own >= strength else f"({text})"


def _arguments(node: fx.Node, positional: tuple[Any, ...], names: Names) -> str:
    """The arguments of a call, without those that have the default and those that torch adds for itself."""
    parameters = inspect.signature(node.target).parameters if inspect.isfunction(node.target) else {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    texts = [operand(value, names) for value in positional]
    for key, value in node.kwargs.items():
        if not key.startswith("_") and (key not in defaults or value != defaults[key]):
            texts.append(f"{key}={operand(value, names)}")
    return ", ".join(texts)


def _function(target: Any) -> str:
    name = getattr(target, "__name__", "").removeprefix("linalg_")
    for home, module in HOMES.items():
        if getattr(module, name, None) is target:
            return f"{home}.{name}"
    raise ExportError(f"it calls {target!r}")
