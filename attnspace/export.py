"""A spec at C channels -> one standalone Python file, or an ONNX file.

There is no second implementation: the built module is traced with `torch.fx`, `__init__` is written from its tree of
torch.nn modules, `forward` from the graph, and the file is compared with the module before it is handed over.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.util
import inspect
import io
import json
import keyword
import linecache
import logging
import math
import operator
import re
import sys
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, count, product
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from attnspace.compiler import build
from attnspace.documents import write_bytes
from attnspace.errors import AttnspaceError
from attnspace.primitives import Block
from attnspace.spec import SpecLike, as_block, dump_spec, read_spec

__all__ = ["export_onnx", "export_python"]

WIDTH = 100
SIZES = ((3, 9, 7), (5, 16, 12))
"""Batches, heights and widths at which a written file is compared with the module."""


def export_python(spec: SpecLike, channels: int, *, name: str | None = None) -> str:
    """One file of plain torch with the block as a class: the same function, state_dict and initial weights.

    Args:
        spec: the block.
        channels: of the maps that it is for.
        name: of the class, written as CamelCase; otherwise that of the spec, or "Block".

    Raises:
        SpecError: the spec is not valid, or not possible at this channel count.
        AttnspaceError: the module does something that cannot be written as source.
    """
    block, about = as_block(spec), _about(spec)
    title = name or about.get("name", "block")
    doc = [
        f"{title}: {block.label()}",
        *(about[key] for key in ("formula", "doc") if key in about),
        *([f"Source: {about['source']}"] if "source" in about else []),
        f"{_class_name(title)}() maps (N, {channels}, H, W) to the same shape. Written by attnspace from\n"
        + json.dumps(dump_spec(block), ensure_ascii=False),
    ]
    return write_module(lambda: build(block, channels), channels, _class_name(title), doc)


def _about(spec: SpecLike) -> dict[str, str]:
    if isinstance(spec, Block):
        return {}
    if isinstance(spec, Mapping):
        found: Any = spec
    else:
        found = vars(read_spec(spec))
    return {key: found[key] for key in ("name", "doc", "source", "formula") if isinstance(found.get(key), str)}


def _class_name(title: str) -> str:
    words = re.findall("[A-Za-z0-9]+", title)
    name = "".join(word[0].upper() + word[1:] for word in words)
    taken = keyword.iskeyword(name) or name in {"", "F", "Part"} or hasattr(builtins, name)
    return f"Block{name}" if taken or name[0].isdigit() else name


def write_module(make: Callable[[], nn.Module], channels: int, name: str, doc: list[str]) -> str:
    """The source of what `make` makes, compared with it.

    Raises:
        AttnspaceError: it cannot be written as source, or what was written is not the same.
    """
    with _nothing_else_changes():
        module, other = (_seeded(make, seed) for seed in (0, 1))
        writer = _Writer(module, other, channels)
        source = writer.source(name, doc)
        try:
            written = _seeded(lambda: _run(source, name), 0)
            same_start = _equal_states(module, written)
            _compare(module, written, channels)
        except AttnspaceError:
            raise
        except Exception as cause:
            raise _cannot(f"what was written does not run ({cause})") from cause
        return source if same_start else writer.source(name, [*doc, _OTHER_START])


_OTHER_START = "Initial weights are not drawn as attnspace draws them: load a state_dict of its module for the same."


@contextlib.contextmanager
def _nothing_else_changes() -> Iterator[None]:
    """Work on the CPU in float32; random numbers and defaults of the caller stay as they are."""
    dtype = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return make()


def _cannot(what: str, remedy: str = "use the attnspace module itself, or ONNX") -> AttnspaceError:
    return AttnspaceError(f"cannot be written as a Python file: {what}", remedy=remedy)


# ---- modules: which are torch's own, and how they are constructed


def _torch_class(module: nn.Module) -> type[nn.Module] | None:
    """The class of torch.nn that a module is, or is a subclass of that only adds checks."""
    found = (cls for cls in type(module).__mro__ if cls.__module__.startswith("torch.nn.modules."))
    cls = next(found, nn.Module)
    return None if cls is nn.Module else cls


def _is_list(module: nn.Module) -> bool:
    """Whether it is a Sequential or a ModuleList, numbered from 0."""
    kept = type(module) in (nn.Sequential, nn.ModuleList)
    return kept and list(module._modules) == [str(i) for i in range(len(module._modules))]


def _is_leaf(module: nn.Module) -> bool:
    """Whether it is called in the written file: a module of torch, or a Sequential of such."""
    cls = _torch_class(module)
    if cls is None or cls.__module__ == "torch.nn.modules.container":
        return type(module) is nn.Sequential and _is_list(module) and all(map(_is_leaf, module.children()))
    return True


def _is_function(module: nn.Module) -> bool:
    """Whether it is as well written as a call of a function: an activation without weights."""
    if type(module) is nn.Sequential:
        return all(map(_is_function, module.children()))
    cls = _torch_class(module)
    home = "" if cls is None else cls.__module__.removeprefix("torch.nn.modules.")
    plain = home in ("activation", "flatten") or cls is nn.Identity
    return plain and cls is not nn.RReLU and not module.state_dict()


def _setting(module: nn.Module, name: str) -> Any:
    value = getattr(module, name, inspect.Parameter.empty)
    if name == "bias" and not isinstance(value, bool):
        return value is not None
    if isinstance(value, tuple) and len(set(value)) == 1 and (name != "normalized_shape" or len(value) == 1):
        return value[0]
    return value


def _constructor(module: nn.Module, cls: type[nn.Module]) -> str:
    """`nn.Conv2d(64, 4, kernel_size=1, bias=False)`: torch keeps arguments as attributes of the same name."""
    arguments = []
    for name, parameter in inspect.signature(cls).parameters.items():
        value = _setting(module, name)
        if name in ("device", "dtype") or value is inspect.Parameter.empty or value == parameter.default:
            continue
        required = parameter.default is inspect.Parameter.empty and name != "kernel_size"
        arguments.append(_literal(value) if required else f"{name}={_literal(value)}")
    return f"nn.{cls.__name__}({', '.join(arguments)})"


def _call(head: str, arguments: list[str], column: int) -> str:
    """A call on one line if it fits, otherwise with each argument on its own; a ModuleList takes a list of them."""
    start, end = ("([", "])") if head == "nn.ModuleList" else ("(", ")")
    line = f"{head}{start}{', '.join(arguments)}{end}"
    if "\n" not in line and len(line) + column < WIDTH:
        return line
    return f"{head}{start}\n{_indented(f'{argument},' for argument in arguments)}\n{end}"


def _indented(lines: Iterable[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")


def _literal(value: Any) -> str:
    """The source of a constant."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or value is Ellipsis or isinstance(value, bool | int | float):
        return "..." if value is Ellipsis else repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, torch.dtype | torch.memory_format):
        return str(value)
    if isinstance(value, torch.device):
        return f"torch.{value!r}"
    raise _cannot(f"a value of type {type(value).__name__}")


# ---- the graph: traced with the names that the traced code gives to its own variables

_TORCH = str(Path(torch.__file__).parent)
_SHAPE_SUFFIX = re.compile("_n[a-z0-9]{2,4}$")


@lru_cache
def _assignments(file: str) -> dict[int, tuple[str, ...]]:
    """Line -> the variables that the statement on it assigns; in brackets those that need not appear."""
    found: dict[int, tuple[str, ...]] = {}
    if file.startswith(_TORCH) or file == __file__:
        return found
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            several = isinstance(node.value, ast.ListComp | ast.List | ast.Tuple) and len(parts) == 1
            names = tuple(f"[{part.id}]" if several else part.id for part in parts if isinstance(part, ast.Name))
            if len(names) == len(parts):
                found |= dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), names)
    return found


class _Tracer(fx.Tracer):
    proxy_buffer_attributes = True

    def __init__(self, lengths: dict[str, int]) -> None:
        super().__init__()
        self.lengths = lengths

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_leaf(m) and not _is_function(m)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta["statements"] = statements = []
        node.meta["unpacks"] = False
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not _trace.__code__:
            code = frame.f_code
            node.meta["unpacks"] |= code.co_filename == fx.proxy.__file__ and code.co_name in ("__iter__", "<genexpr>")
            names = () if code.co_name.startswith("<") else _assignments(code.co_filename).get(frame.f_lineno, ())
            if len(names) == 1 and code.co_name != "forward":
                names = (f"[{names[0]}]",)
            statements += [(frame, frame.f_lineno, names)] if names else []
            frame = frame.f_back
        return node

    def iter(self, obj: fx.Proxy) -> Iterator[fx.Proxy]:
        if obj.node.name not in self.lengths:
            raise _IteratedError(obj.node)
        return iter([operator.getitem(obj, i) for i in range(self.lengths[obj.node.name])])


class _IteratedError(Exception):
    """How many parts a value has is to be found out."""


def _evaluate(root: nn.Module, node: fx.Node, example: Tensor) -> Any:
    if node.op == "placeholder":
        return example
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda operand: _evaluate(root, operand, example))
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    home = operator.attrgetter(str(node.target))(root) if isinstance(node.target, str) else node.target
    return home if node.op == "get_attr" else home(*args, **kwargs)


def _trace(module: nn.Module, example: Tensor) -> fx.Graph:
    """The graph of the module; `meta["name"]` of a node is the variable that the traced code put it in."""
    lengths: dict[str, int] = {}
    while True:
        try:
            graph = _Tracer(lengths).trace(module)
            break
        except _IteratedError as found:
            lengths[found.args[0].name] = len(_evaluate(module, found.args[0], example))
        except Exception as cause:
            raise _cannot(f"torch.fx cannot trace it ({str(cause).splitlines()[0]})") from cause
    made_last: dict[Any, fx.Node] = {}
    made: Counter[Any] = Counter()
    for node in graph.nodes:
        for frame, line, names in node.meta["statements"]:
            made_last[frame, line] = node
            made[frame, line, _last_word(node.target)] += 1
            if node.target is operator.getitem and node.meta["unpacks"] and len(names) > 1:
                node.meta.setdefault("unpacked", names)
                node.meta.setdefault("name", names[node.args[1]])
    for node in graph.nodes:
        for frame, line, names in node.meta.pop("statements"):
            is_one_of_a_list = names[0].startswith("[") and made[frame, line, _last_word(node.target)] > 1
            if made_last[frame, line] is node and len(names) == 1 and not is_one_of_a_list:
                node.meta["name"] = names[0]
        given = node.meta.get("name", "")
        node.meta["worth_a_line"] = bool(given) and not given.startswith("[")
        node.meta["name"] = _SHAPE_SUFFIX.sub("", given.strip("[]"))
    for node in graph.nodes:
        if node.target is getattr and len(node.args[0].users) == 1:  # fx makes these when they are first used
            node.meta |= {key: node.args[0].meta.pop(key) for key in ("name", "worth_a_line")}
    known = dict(_state(module))
    for node in reversed(graph.nodes):
        if node.op == "get_attr" and node.target not in known:
            raise _cannot("it makes a constant tensor in forward", "register it as a buffer")
        if not node.users and node.op in ("call_function", "call_method", "get_attr"):
            graph.erase_node(node)
    return graph


# ---- forward: statements, with what is used once written where it is used

_COMPARISON, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(6)
"""How strongly an expression holds together: one inside a stronger one needs brackets."""

_INFIX: dict[Any, tuple[str, int]] = {
    operator.eq: ("==", _COMPARISON),
    operator.ne: ("!=", _COMPARISON),
    operator.lt: ("<", _COMPARISON),
    operator.le: ("<=", _COMPARISON),
    operator.gt: (">", _COMPARISON),
    operator.ge: (">=", _COMPARISON),
    operator.add: ("+", _SUM),
    operator.sub: ("-", _SUM),
    operator.mul: ("*", _PRODUCT),
    operator.truediv: ("/", _PRODUCT),
    operator.floordiv: ("//", _PRODUCT),
    operator.mod: ("%", _PRODUCT),
    operator.matmul: ("@", _PRODUCT),
    torch.add: ("+", _SUM),
    torch.sub: ("-", _SUM),
    torch.mul: ("*", _PRODUCT),
    torch.div: ("/", _PRODUCT),
    torch.matmul: ("@", _PRODUCT),
}
_NOUNS = {
    **{"max": "peak", "amax": "peak", "sum": "total", "+": "total", "sigmoid": "gate", "softmax": "weights"},
    **{"transpose": "swapped", "flatten": "flat", "cat": "joined", "to": "y", "sqrt": "root"},
}
_MODULES = {
    "torch": torch, "F": F, "math": math, "operator": operator, "torch.linalg": torch.linalg, "torch.fft": torch.fft
}  # fmt: skip
_RESERVED = {"self", "Part", *_MODULES, *keyword.kwlist, *dir(builtins)}


class _Forward:
    """The statements of `forward`: each value that has a name of its own, or several uses, is assigned."""

    def __init__(self, graph: fx.Graph, root: nn.Module) -> None:
        self.root = root
        *self.nodes, self.output = graph.nodes
        self.inputs = [node for node in self.nodes if node.op == "placeholder"]
        self.uses = Counter(operand for node in graph.nodes for operand in _operands(node))
        self.calls = Counter(node.target for node in self.nodes if node.op == "call_module")
        self.unpacked = {node: parts for node in self.nodes if (parts := _parts(node))}
        self.assigned = set(self.inputs)
        for node in self.nodes:
            if self._deserves_a_name(node):
                self.assigned.add(node)
        self.names: dict[fx.Node, str] = {}

    def _is_cheap(self, node: fx.Node) -> bool:
        """Whether it may be written several times: `x.shape[2]`."""
        if node.op == "get_attr":
            return True
        if node.target not in (getattr, operator.getitem) or not isinstance(node.args[1], int | str):
            return False
        base = node.args[0]
        return isinstance(base, fx.Node) and (base in self.assigned or self._is_cheap(base))

    def _deserves_a_name(self, node: fx.Node) -> bool:
        if node in self.unpacked or any(node in parts.values() for parts in self.unpacked.values()):
            return True
        if self._is_cheap(node) or node in _operands(self.output):
            return self.uses[node] > 1 and not self._is_cheap(node)
        keeps_order = node.op == "call_module" and self.calls[node.target] > 1 and self._has_buffers(node)
        return self.uses[node] > 1 or node.meta.get("worth_a_line", False) or keeps_order

    def _has_buffers(self, node: fx.Node) -> bool:
        return any(True for _ in self.root.get_submodule(str(node.target)).buffers())

    def lines(self) -> list[str]:
        """The statements; what makes one too long is taken out of it and assigned."""
        while True:
            steps = [node for node in self.nodes if node in self.unpacked or node in self._targets()] + [self.output]
            lines = self._written(steps)
            too_long = [step for step, line in zip(steps, lines, strict=True) if len(line) > WIDTH - 8]
            inside = {node for step in too_long for node in self._inlined(step) if not self._is_cheap(node)}
            if not inside:
                return lines
            lengths = {node: len(self._expression(node)[0]) for node in self.nodes if node in inside}
            ranks = {node: (not self._belongs_to_next(node), n <= WIDTH / 2, n) for node, n in lengths.items()}
            self.assigned.add(max(ranks, key=lambda node: ranks[node]))

    def _belongs_to_next(self, node: fx.Node) -> bool:
        return node.target in _INFIX or any(user.target is getattr for user in node.users)

    def _targets(self) -> set[fx.Node]:
        parts = {part for group in self.unpacked.values() for part in group.values()}
        return self.assigned - set(self.inputs) - parts

    def _inlined(self, node: fx.Node) -> Iterator[fx.Node]:
        for operand in _operands(node):
            if operand not in self.assigned:
                yield operand
                yield from self._inlined(operand)

    def _written(self, steps: list[fx.Node]) -> list[str]:
        read_last: dict[fx.Node, int] = {}
        for i, step in enumerate(steps):
            for node in (step, *self._inlined(step)):
                read_last |= {operand: i for operand in _operands(node) if operand in self.assigned}
        self.names = dict.fromkeys(self.inputs, "x")
        lines = []
        for i, step in enumerate(steps[:-1]):
            text = self._expression(step)[0]
            alive = {name for node, name in self.names.items() if read_last.get(node, -1) > i}
            targets = []
            for part in self.unpacked.get(step, {0: step}).values():
                if part is not None:
                    self.names[part] = self._free_name(part, alive)
                    alive.add(self.names[part])
                targets.append("_" if part is None else self.names[part])
            lines.append(f"{', '.join(targets)} = {text}")
        return [*lines, f"return {self._value(steps[-1].args[0])[0]}"]

    def _free_name(self, node: fx.Node, alive: set[str]) -> str:
        """A name that no value still in use has."""
        symbol = _INFIX[node.target][0] if node.target in _INFIX else None
        made_by = node.args[0] if node.target is getattr and isinstance(node.args[0], fx.Node) else node
        word = symbol or _last_word(made_by.target)
        noun = _NOUNS.get(word, word if word.isidentifier() else "y")
        left = self.names.get(node.args[0]) if symbol and isinstance(node.args[0], fx.Node) else None
        wanted = [node.meta["name"]] if node.meta.get("name") else [*([left] if left else []), noun]
        numbered = (f"{wanted[-1]}{i}" for i in count(2))
        return next(name for name in chain(wanted, numbered) if name not in alive | _RESERVED)

    def _value(self, value: Any) -> tuple[str, int]:
        """Source and binding strength of an operand."""
        if isinstance(value, fx.Node):
            return (self.names[value], _ATOM) if value in self.names else self._expression(value)
        if isinstance(value, slice):
            ends = [value.start, value.stop, *([value.step] if value.step is not None else [])]
            return ":".join("" if end is None else self._value(end)[0] for end in ends), _ATOM
        if isinstance(value, list | tuple):
            items = ", ".join(self._value(item)[0] for item in value)
            if isinstance(value, list):
                return f"[{items}]", _ATOM
            return f"({items}{',' if len(value) == 1 else ''})", _ATOM
        text = _literal(value)
        return text, _UNARY if text.startswith("-") else _ATOM

    def _bound(self, value: Any, strength: int) -> str:
        text, own = self._value(value)
        return text if own >= strength else f"({text})"

    def _expression(self, node: fx.Node) -> tuple[str, int]:
        args, target = node.args, node.target
        if node.op == "get_attr":
            return _path(self.root, str(target)), _ATOM
        if node.op == "call_module":
            return f"{_path(self.root, str(target))}({self._arguments(node)})", _ATOM
        if node.op == "call_method":
            return f"{self._bound(args[0], _ATOM)}.{target}({self._arguments(node, 1)})", _ATOM
        if target is getattr:
            return f"{self._bound(args[0], _ATOM)}.{args[1]}", _ATOM
        if target is operator.getitem:
            index = self._value(args[1])[0]
            bare = isinstance(args[1], tuple) and len(args[1]) > 1
            return f"{self._bound(args[0], _ATOM)}[{index[1:-1] if bare else index}]", _ATOM
        if target in _INFIX and len(args) == 2 and not node.kwargs:
            symbol, strength = _INFIX[target]
            left = self._bound(args[0], strength + (strength == _COMPARISON))
            return f"{left} {symbol} {self._bound(args[1], strength + 1)}", strength
        if target is operator.neg:
            return f"-{self._bound(args[0], _UNARY)}", _UNARY
        if target is operator.pow:
            return f"{self._bound(args[0], _POWER + 1)} ** {self._bound(args[1], _UNARY)}", _POWER
        return f"{_function(target)}({self._arguments(node)})", _ATOM

    def _arguments(self, node: fx.Node, start: int = 0) -> str:
        defaults = _defaults(node.target)
        named = {
            key: value
            for key, value in node.kwargs.items()
            if not key.startswith("_") and (key not in defaults or value != defaults[key])
        }
        texts = [self._value(value)[0] for value in node.args[start:]]
        return ", ".join([*texts, *(f"{key}={self._value(value)[0]}" for key, value in named.items())])


def _operands(node: fx.Node) -> list[fx.Node]:
    """The nodes that it reads, each as often as it does."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), lambda operand: found.append(operand) or operand)  # type: ignore[func-returns-value]
    return found


def _parts(node: fx.Node) -> dict[int, fx.Node | None]:
    """What `a, b = value` assigns, None where it is not used; empty unless two or more are."""
    groups = {user.meta.get("unpacked") for user in node.users}
    names = groups.pop() if len(groups) == 1 else None
    if not names or len(node.users) < 2:
        return {}
    users = {user.args[1]: user for user in node.users}
    return {i: users.get(i) for i in range(len(names))} if len(users) == len(node.users) else {}


def _last_word(target: Any) -> str:
    """The last part that is a word: `excite.0` -> excite."""
    words = [part for part in str(getattr(target, "__name__", target)).split(".") if part.isidentifier()]
    return words[-1] if words else "y"


def _function(target: Any) -> str:
    name = getattr(target, "__name__", "").removeprefix("linalg_")
    for home, module in _MODULES.items():
        if name and getattr(module, name, None) is target:
            return f"{home}.{name}"
    raise _cannot(f"a call of {target!r}")


def _defaults(target: Any) -> dict[str, Any]:
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return {}
    return {name: parameter.default for name, parameter in parameters.items()}


def _path(root: nn.Module, path: str) -> str:
    """`excite.0.weight` -> `self.excite[0].weight`."""
    text, module = "self", root
    for part in path.split("."):
        text += f"[{part}]" if part.isdigit() else f".{part}"
        module = getattr(module, part)
    return text


# ---- __init__: the tree, without what has no state and is never called


class _Writer:
    """The source of a module; a second build with another seed tells which values are drawn."""

    def __init__(self, module: nn.Module, other: nn.Module, channels: int) -> None:
        self.module = module
        self.drawn = {
            name
            for (name, value), (_, again) in zip(_state(module), _state(other), strict=True)
            if not torch.equal(value, again)
        }
        self.initial: list[str] = []
        self.graph = None if _is_leaf(module) else _trace(module.eval(), torch.zeros(2, channels, 8, 8))
        module.train()
        self.used = {""}
        called = [str(node.target) for node in self.graph.nodes if node.op == "call_module"] if self.graph else []
        stateful = [name.rpartition(".")[0] for name, _ in _state(module)]
        for path in (*called, *stateful):
            parts = path.split(".")
            self.used |= {".".join(parts[: i + 1]) for i in range(len(parts))}

    def source(self, name: str, doc: Iterable[str]) -> str:
        """The whole file."""
        self.initial.clear()
        module = self.module
        if _is_leaf(module) or _is_list(module):
            base, _, arguments = self._module(module, "", 8).partition("(")
            body = [f"super().__init__({arguments}"]
        else:
            base, body, arguments = "nn.Module", ["super().__init__()"], ""
            body += [f"self.{key} = {text}" for key, text in self._members(module, "", 8)]
        if len(body) == 1 and arguments in ("", ")"):
            body = []
        methods = [f"def __init__(self):\n{_indented([*body, *self.initial])}"] if body else []
        if self.graph is not None:
            methods.append(f"def forward(self, x):\n{_indented(_Forward(self.graph, module).lines())}")
        return self._file(doc, f"class {name}({base}):\n{_indented([(2 * chr(10)).join(methods) or 'pass'])}\n")

    def _file(self, doc: Iterable[str], code: str) -> str:
        code = f"{_PART if 'Part(' in code else ''}{code}"
        imports = [f"import {home}" for home in ("math", "operator", "torch") if re.search(rf"\b{home}\.", code)]
        imports += ["import torch.nn.functional as F"] if re.search(r"\bF\.", code) else []
        return _docstring(doc) + "\n" + "\n".join([*imports, "from torch import nn"]) + f"\n\n\n{code}"

    def _module(self, module: nn.Module, path: str, indent: int, before: int = 0) -> str:
        """The expression that makes one module of the tree, after `before` characters of an indented line."""
        cls = _torch_class(module)
        if _is_list(module):
            last = max((i for i in range(len(module._modules)) if self._is_used(path, i, module)), default=-1)
            children = [
                self._module(child, _join(path, key), indent + 4)
                if self._is_used(path, key, module)
                else "nn.Identity()"
                for key, child in list(module._modules.items())[: last + 1]
                if child is not None
            ]
            return _call(f"nn.{type(module).__name__}", children, indent + before)
        if cls is not None and _is_leaf(module):
            text = _constructor(module, cls)
            self._initialise(module, text, path)
            return text
        members = self._members(module, path, indent + 4)
        return _call("Part", [f"{key}={text}" for key, text in members], indent + before)

    def _is_used(self, path: str, key: str | int, parent: nn.Module) -> bool:
        return _is_leaf(parent) or _join(path, str(key)) in self.used

    def _members(self, module: nn.Module, path: str, indent: int) -> Iterator[tuple[str, str]]:
        """Parameters, buffers and modules of a container, with the expressions that make them."""
        for key, parameter in module._parameters.items():
            if parameter is not None:
                frozen = "" if parameter.requires_grad else ", requires_grad=False"
                yield key, f"nn.Parameter({self._tensor(parameter.detach(), indent)}{frozen})"
        for key, buffer in module._buffers.items():
            if buffer is not None:
                lost = ["persistent=False"] if key in module._non_persistent_buffers_set else []
                yield key, _call("nn.Buffer", [self._tensor(buffer, indent), *lost], indent + len(f"self.{key} = "))
        for key, child in module._modules.items():
            if child is not None and _join(path, key) in self.used:
                yield key, self._module(child, _join(path, key), indent, len(f"self.{key} = "))

    def _tensor(self, value: Tensor, indent: int) -> str:
        dtype = [] if value.dtype == torch.float32 else [f"dtype={value.dtype}"]
        shape = ", ".join(map(str, value.shape)) or "()"
        if value.numel() and bool((value == value.flatten()[0]).all()):
            fill: Any = value.flatten()[0].item()
            filled = {0: ("zeros", [shape]), 1: ("ones", [shape])}
            head, arguments = filled.get(fill, ("full", [_literal(tuple(value.shape)), repr(fill)]))
            return f"torch.{head}({', '.join([*arguments, *dtype])})"
        numbers = textwrap.fill(re.sub(r"\.0\b", ".", str(value.tolist())), WIDTH - indent - 8)
        return _call("torch.tensor", [numbers, *dtype], indent + 20)

    def _initialise(self, leaf: nn.Module, text: str, path: str) -> None:
        """Statements for what is set to a constant after torch's own initialisation."""
        fresh = dict(eval(text, {"nn": nn}).named_parameters())  # noqa: S307  # our own text
        for key, value in leaf.named_parameters():
            if _join(path, key) not in self.drawn and not torch.equal(value, fresh[key]):
                fill: Any = value.flatten()[0].item()
                known = {0: "zeros_({})", 1: "ones_({})"}.get(fill, f"constant_({{}}, {fill!r})")
                self.initial.append(f"nn.init.{known.format(_path(self.module, _join(path, key)))}")


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


_PART = '''class Part(nn.Module):
    """Holds parameters, buffers and modules under the names of its arguments."""

    def __init__(self, **members):
        super().__init__()
        for name, member in members.items():
            setattr(self, name, member)


'''


def _docstring(parts: Iterable[str]) -> str:
    lines = [
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        for line in "\n\n".join(parts).split("\n")
    ]
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    escaped = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return f'"""{"".join(escaped)}\n"""\n'


# ---- verification


def _run(source: str, name: str) -> nn.Module:
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102  # our own text
    written: nn.Module = namespace[name]()
    return written


def _equal_states(module: nn.Module, written: nn.Module) -> bool:
    ours, theirs = module.state_dict(), written.state_dict()
    shapes = [{key: value.shape for key, value in state.items()} for state in (ours, theirs)]
    if list(ours) != list(theirs) or shapes[0] != shapes[1]:
        raise _cannot("the written file has other weights")
    return all(torch.equal(value, theirs[key]) for key, value in ours.items())


def _compare(module: nn.Module, written: nn.Module, channels: int) -> None:
    """Compare function, and buffers after it, at weights that are nowhere zero, in train and eval mode."""
    module, written = module.double(), written.double()
    torch.manual_seed(0)
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
    written.load_state_dict(module.state_dict())
    for training, (batch, height, width) in product((True, False), SIZES):
        x = torch.randn(batch, channels, height, width, dtype=torch.float64)
        outputs = []
        for one in (module.train(training), written.train(training)):
            torch.manual_seed(1)
            with torch.no_grad():
                outputs.append(one(x))
        pairs = [outputs, *zip(module.state_dict().values(), written.state_dict().values(), strict=True)]
        if not all(torch.allclose(first, second, rtol=1e-9, atol=1e-12) for first, second in pairs):
            raise _cannot(f"the written file is another function in {'training' if training else 'evaluation'}")


# ---- ONNX


def export_onnx(
    spec: SpecLike,
    channels: int,
    path: str | Path,
    *,
    opset: int | None = None,
    state_dict: Mapping[str, Tensor] | None = None,
) -> Path:
    """One ONNX file of the block in evaluation: input `x` and output `y`, of any batch, height and width.

    What is written was compared with the module at two other shapes, if onnxruntime is installed; without it the
    file is written unchecked.

    Args:
        spec: the block.
        channels: of the maps that it is for.
        path: of the file, which is written whole or not at all.
        opset: the version of ONNX's operators; otherwise the exporter's choice.
        state_dict: the weights; otherwise initial ones.

    Raises:
        SpecError: the spec is not valid, or not possible at this channel count.
        AttnspaceError: onnx or onnxscript is not installed, the weights do not fit, or it cannot be exported.
        RunFailed: the file cannot be written.
    """
    for needed in ("onnx", "onnxscript"):
        if importlib.util.find_spec(needed) is None:
            raise AttnspaceError(f"ONNX export needs {needed}", remedy="run: pip install 'attnspace[onnx]'")
    with _nothing_else_changes():
        module = build(spec, channels).eval()
        if state_dict is not None:
            try:
                module.load_state_dict(dict(state_dict))
            except RuntimeError as cause:
                raise AttnspaceError(f"the weights do not fit the block: {cause}") from None
        content = _onnx(module, channels, opset)
        _compare_onnx(content, module, channels)
    write_bytes(Path(path), content)
    return Path(path)


def _onnx(module: nn.Module, channels: int, opset: int | None) -> bytes:
    dim = torch.export.Dim
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (torch.randn(2, channels, 16, 18),),
                dynamo=True,
                input_names=["x"],
                output_names=["y"],
                dynamic_shapes=({0: dim("batch"), 2: dim("height"), 3: dim("width")},),
                opset_version=opset,
                verbose=False,
            )
            assert program is not None
            model = program.model_proto
    except Exception as cause:
        raise AttnspaceError(f"cannot be exported to ONNX: {str(cause).strip().splitlines()[0]}") from cause
    if opset not in (None, *(used.version for used in model.opset_import if used.domain == "")):
        raise AttnspaceError("cannot be exported to this ONNX opset", got=opset, remedy="leave it out")
    return model.SerializeToString()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters print, log and warn of."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _compare_onnx(content: bytes, module: nn.Module, channels: int) -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        return
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for batch, height, width in SIZES:
        x = torch.randn(batch, channels, height, width)
        with torch.no_grad():
            expected = module(x)
        got = torch.from_numpy(session.run(["y"], {"x": x.numpy()})[0])
        if not torch.allclose(got, expected, rtol=1e-4, atol=1e-5):
            raise AttnspaceError(f"the ONNX file is another function at {tuple(x.shape)}")
