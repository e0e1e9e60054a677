"""A spec at C channels -> the text of one standalone Python file.

There is no second implementation: the built module is traced with `torch.fx`, `__init__` is written from its tree of
torch.nn modules, `forward` from the graph, and the file is compared with the module before it is handed over.
"""

from __future__ import annotations

import builtins
import json
import keyword
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from attnspace.errors import ExportError
from attnspace.export.construct import PART, base_and_statements
from attnspace.export.forward import statements
from attnspace.export.leaves import is_called
from attnspace.export.text import WIDTH, indented
from attnspace.export.tracing import trace
from attnspace.export.verification import seeded, standard_torch, verify
from attnspace.language.compiler import build
from attnspace.language.specs import SpecFile, SpecLike, as_block, dump_spec, read_spec
from attnspace.primitives import Block

__all__ = ["class_source", "document", "export_python", "write_module"]


def export_python(spec: SpecLike, channels: int, *, name: str | None = None) -> str:
    """The text of one file of plain torch with the block as a class: same function, state_dict and initial weights.

    Not for use beside other threads that run torch: meanwhile, in the whole process, `torch.fx` patches
    `nn.Module.__call__`, and the default dtype and the random numbers are the export's own.

    Args:
        spec: the block.
        channels: the number of channels of the maps that it is for.
        name: the name of the class, written as CamelCase; otherwise that of the spec, or "Block".

    Raises:
        SpecError: the spec is not valid, or not possible at this channel count.
        ExportError: the module does something that cannot be written as source.
    """
    block, about = as_block(spec), _about(spec)
    title = name or about.get("name") or "block"
    doc = [
        f"{title}: {block.label()}",
        *(about[key] for key in ("formula", "doc") if about.get(key)),
        *([f"Source: {about['source']}"] if about.get("source") else []),
        f"{_class_name(title)}() maps (N, {channels}, H, W) to the same shape. Written by attnspace from\n"
        + json.dumps(dump_spec(block), ensure_ascii=False),
    ]
    return write_module(lambda: build(block, channels), channels, _class_name(title), doc)


def _about(spec: SpecLike) -> Mapping[str, Any]:
    if isinstance(spec, Block):
        return {}
    if isinstance(spec, Mapping):
        return spec
    return vars(spec if isinstance(spec, SpecFile) else read_spec(spec))


def _class_name(title: str) -> str:
    words = re.findall("[A-Za-z0-9]+", title)
    name = "".join(word[0].upper() + word[1:] for word in words)
    taken = keyword.iskeyword(name) or name in {"", "F", "Part"} or hasattr(builtins, name)
    return f"Block{name}" if taken or name[0].isdigit() else name


def write_module(make: Callable[[], nn.Module], channels: int, name: str, doc: Sequence[str]) -> str:
    """Write the source of the module that `make` makes, and compare both; `doc` are the paragraphs of its docstring.

    Raises:
        ExportError: the module cannot be written as source, or what was written is not the same.
    """
    code, same_start = class_source(make, channels, name)
    return document([*doc, *([] if same_start else [OTHER_START])], code)


def class_source(make: Callable[[], nn.Module], channels: int, name: str) -> tuple[str, bool]:
    """The class statement of the module that `make` makes, compared with it; and whether it starts with its weights.

    Raises:
        ExportError: the module cannot be written as source, or what was written is not the same.
    """
    with standard_torch():
        module = seeded(make, 0)
        try:
            code = _class(module, channels, name)
            return code, verify(_with_imports(code), name, make, channels)
        except Exception as cause:
            reason = str(cause).strip().split("\n")[0] or type(cause).__name__
            raise ExportError(
                f"cannot be written as a Python file: {reason}", remedy="use the attnspace module itself, or ONNX"
            ) from cause


def document(doc: Sequence[str], code: str) -> str:
    """The text of a file: a docstring of these paragraphs, what the code imports, and the code."""
    return f"{_docstring(doc)}\n{_with_imports(code)}"


OTHER_START = "Its first weights are not drawn as attnspace draws them: load a state_dict of the module for the same."


def _class(module: nn.Module, channels: int, name: str) -> str:
    """The class statement; a Sequential of torch's own layers needs no `forward`."""
    methods, called = [], [""]
    if not is_called(module):
        graph = trace(module.eval(), torch.zeros(2, channels, 8, 8))
        called = [str(node.target) for node in graph.nodes if node.op == "call_module"]
        methods.append(f"def forward(self, x):\n{indented(statements(graph))}")
    base, init = base_and_statements(module, called)
    if init:
        methods.insert(0, f"def __init__(self):\n{indented(init)}")
    body = "\n\n".join(methods)
    return f"{PART if 'Part(' in body else ''}class {name}({base}):\n{indented([body])}\n"


def _with_imports(code: str) -> str:
    imports = ["import torch"] if re.search(r"\btorch\.", code) else []
    imports += ["import torch.nn.functional as F"] if re.search(r"\bF\.", code) else []
    return "\n".join([*imports, "from torch import nn"]) + f"\n\n\n{code}"


def _docstring(paragraphs: Sequence[str]) -> str:
    """A docstring of these paragraphs, wrapped, and escaped so that no text of a spec ends it or hides what follows."""
    text = "\n\n".join(paragraphs).replace("\\", r"\\").replace('"""', r"\"\"\"")
    visible = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    lines = f'"""{visible}'.split("\n")
    wrapped = [textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) for line in lines]
    return "\n".join([*wrapped, '"""\n'])
