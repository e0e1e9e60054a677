"""The changes that turn one block into another, in words."""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from pydantic_core import to_jsonable_python

from attnspace.language.specs import SpecLike, as_block
from attnspace.primitives import Block, Branch, Layer
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.sequential import Sequential
from attnspace.primitives.node import Node
from attnspace.primitives.reduction import Reduction
from attnspace.primitives.width import width_label

__all__ = ["diff"]


def diff(spec: SpecLike, other: SpecLike) -> list[str]:
    """The changes that turn `spec` into `other`, in words, gate by gate; none if they are written alike."""
    before, after = _steps(as_block(spec)), _steps(as_block(other))
    shapes = [[_shape(step) for step in steps] for steps in (before, after)]
    lines: list[str] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, shapes[0], shapes[1], autojunk=False).get_opcodes():
        paired = min(i2 - i1, j2 - j1)
        for i, j in zip(range(i1, i1 + paired), range(j1, j1 + paired), strict=True):
            lines += _changes(before[i], after[j], _shape(before[i]))
        lines += [f"without {before[i].label()}" for i in range(i1 + paired, i2)]
        lines += [f"{'then' if j else 'first'} {after[j].label()}" for j in range(j1 + paired, j2)]
    return lines


def _steps(block: Block) -> list[Block]:
    if isinstance(block, Sequential):
        return [step for one in block.blocks for step in _steps(one)]
    return [block]


def _shape(block: Block) -> str:
    return f"{block.squeeze.kind} gate" if isinstance(block, Gate) and block.squeeze else block.kind


def _changes(before: Any, after: Any, where: str) -> list[str]:
    if before == after:
        return []
    if isinstance(before, Node | Branch) and type(before) is type(after):
        fields = type(before).model_fields
        return [
            line
            for name in fields
            for line in _changes(getattr(before, name), getattr(after, name), f"{where}, {name}")
        ]
    if _has_parts(before) or _has_parts(after):
        lines = []
        for i, (old, new) in enumerate(zip_longest(before, after)):
            if old is None or new is None:
                lines.append(f"{where}: {f'without {_said(old)}' if new is None else f'then {_said(new)}'}")
            else:
                lines += _changes(old, new, f"{where} {i + 1}")
        return lines
    return [f"{where}: {_said(before)} becomes {_said(after)}"]


def _has_parts(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Layer | Block | Branch | tuple) for item in value)


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_said(item) for item in value) or "nothing"
    if isinstance(value, Node | Branch):
        return value.label()
    if isinstance(value, Reduction):
        return width_label(value)
    return value if isinstance(value, str) else json.dumps(to_jsonable_python(value))
