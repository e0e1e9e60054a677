"""Block specs as files and texts: load, save, label, diff, identity."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python

from attnspace.documents import check_limits, has_holes, parse_json, read
from attnspace.errors import AttnspaceError, SpecError, in_file, within
from attnspace.primitives import Block, Branch, Layer, Node
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.sequential import Sequential
from attnspace.primitives.reduction import MAX_WIDTH, Reduction
from attnspace.primitives.width import width_label
from attnspace.validation import did_you_mean, validate

__all__ = [
    "SpecFile",
    "SpecLike",
    "as_block",
    "diff",
    "dump_spec",
    "identity",
    "load_spec",
    "parse_blocks",
    "parse_spec",
    "published",
    "read_spec",
    "resolve",
    "save_spec",
]

SpecLike = Block | Mapping[str, Any] | str | Path
"""A block, its JSON data, the path of a spec file, or the name of a published block."""

_PUBLISHED = files("attnspace") / "published"


class SpecMeta(BaseModel):
    """What a spec file may carry at its root besides the block."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str | None = Field(None, max_length=100, description="A short name.")
    doc: str | None = Field(None, max_length=2_000, description="What it is, in a sentence.")
    source: str | None = Field(None, max_length=500, description="Paper and equation, or the code it follows.")
    formula: str | None = Field(None, max_length=500, description="What it computes.")
    oracle: str | None = Field(None, max_length=500, description="What it was compared with.")
    schema_: str | None = Field(None, max_length=500, alias="$schema", description="JSON Schema, for editors.")


_ABOUT = tuple(field.alias or name for name, field in SpecMeta.model_fields.items())
"""The keys of a spec file that are not the block's; `$schema` is the last."""


@dataclass(frozen=True)
class SpecFile:
    """A block, or one for each stage, and what the file says of it.

    Attributes:
        blocks: the block, or stage -> block.
        placement: of a design file such as winner.json, JSON data.
    """

    blocks: Block | dict[int, Block]
    placement: Any = None
    name: str | None = None
    doc: str | None = None
    source: str | None = None
    formula: str | None = None
    oracle: str | None = None
    file: str | None = None

    @property
    def block(self) -> Block:
        """The block.

        Raises:
            SpecError: there is one for each stage.
        """
        if isinstance(self.blocks, dict):
            raise SpecError(
                "this design has a block for each stage",
                at=("block", "per_stage"),
                file=self.file,
                remedy="use insert_design, or take out the one you want",
            )
        return self.blocks


def published() -> list[str]:
    """The names of the published blocks: what `attnspace/published/` lists."""
    return sorted(entry.name.removesuffix(".json") for entry in _PUBLISHED.iterdir() if entry.name.endswith(".json"))


def load_spec(path_or_name: str | Path) -> Block:
    """The block of a spec file, or of a published name.

    Raises:
        SpecError: with the file and the path in it.
    """
    return read_spec(path_or_name).block


def read_spec(path_or_name: str | Path) -> SpecFile:
    """The block with its name, doc and source.

    Raises:
        SpecError: with the file and the path in it.
    """
    text = str(path_or_name)
    if isinstance(path_or_name, str) and "." not in text and "/" not in text and "\\" not in text:
        return _read_published(text)
    document = read(path_or_name, SpecError)
    try:
        return replace(_spec_file(document.data), file=document.file)
    except AttnspaceError as error:
        raise document.place(error) from None


@lru_cache(maxsize=256)
def _read_published(name: str) -> SpecFile:
    names = published()
    if name not in names:
        raise SpecError(
            f"no published block is named {name!r}",
            allowed=", ".join(names),
            remedy=did_you_mean(name, names) or "give a path ending in .json for a file of your own",
        )
    with in_file(f"published/{name}.json"):
        return _spec_file(parse_json((_PUBLISHED / f"{name}.json").read_text("utf-8"), SpecError))


def parse_spec(data: Mapping[str, Any] | str) -> Block:
    """The block that a dict or a JSON text describes.

    Raises:
        SpecError: with the path of the fault.
    """
    return _spec_file(parse_json(data, SpecError) if isinstance(data, str) else data).block


def _spec_file(data: Any) -> SpecFile:
    check_limits(data, SpecError)
    if not isinstance(data, Mapping):
        raise SpecError("a spec is a mapping", got=data, allowed='{"kind": ...}')
    about = {key: data[key] for key in _ABOUT if key in data}
    meta = validate(SpecMeta, about, SpecError)
    rest = {key: value for key, value in data.items() if key not in about}
    placement = None
    if "block" in rest and "kind" not in rest:
        for key in rest.keys() - {"block", "placement"}:
            allowed = ", ".join(["block", "placement", *_ABOUT[:-1]])
            raise SpecError(f"unknown key {key!r}", at=(key,), allowed=allowed)
        placement, rest = rest.get("placement", {}), rest["block"]
        with within("block"):
            blocks = parse_blocks(rest)
    else:
        blocks = _validated(rest)
    return SpecFile(blocks, placement, **meta.model_dump(exclude={"schema_"}))


def parse_blocks(data: Any) -> Block | dict[int, Block]:
    """The block of a design, or stage -> block where it is given `per_stage`.

    Raises:
        SpecError: with the path of the fault.
    """
    if isinstance(data, str) and data in published():
        raise SpecError("a block is a mapping", got=data, remedy=f"write {{$published: {data}}}")
    if not isinstance(data, Mapping):
        raise SpecError("a block is a mapping", got=data, allowed='{"kind": ...}, or a hole')
    if "per_stage" not in data:
        return parse_spec(data)
    stages = data["per_stage"]
    with within("per_stage"):
        if len(data) > 1 or not isinstance(stages, Mapping) or not stages:
            raise SpecError("takes one block for each stage, and no key beside it", allowed="{1: ..., 2: ...}")
        blocks: dict[int, Block] = {}
        for stage, block in stages.items():
            name = str(stage)[:20]
            if not re.fullmatch("[1-9][0-9]?", str(stage), re.ASCII):
                raise SpecError(f"{name!r} is no stage", at=(name,), allowed="1, 2, ...")
            if int(stage) in blocks:
                raise SpecError(f"stage {name} is given twice", remedy="give each stage once")
            with within(name):
                one = parse_blocks(block)
            if isinstance(one, dict):
                raise SpecError("stages inside a stage", at=(name,), remedy="give each stage one block")
            blocks[int(stage)] = one
    return blocks


def _validated(data: Any) -> Block:
    try:
        return validate(Block, data, SpecError)  # type: ignore[type-abstract]  # pydantic gives a member of the family
    except SpecError as error:
        if has_holes(data):
            raise SpecError(
                "has holes: it is a space, and one block is wanted here",
                remedy="attnspace check checks it; load_space(...).sample(rng) draws a block from it",
            ) from None
        name = (error.got or error.what.removeprefix("unknown kind ")).strip("\"'")
        if name in published() and name not in Block.members:
            error.remedy = f"{name} is a published block: write what `attnspace export {name} --to json` prints"
        raise


def as_block(spec: SpecLike) -> Block:
    """Whatever names a block, as a Block.

    Raises:
        SpecError: it does not.
    """
    if isinstance(spec, Block):
        return spec
    if isinstance(spec, Mapping):
        return parse_spec(spec)
    if isinstance(spec, str | Path):
        return load_spec(spec)
    raise SpecError("is no spec", got=spec, allowed="a Block, JSON data, a path, or a published name")


def dump_spec(block: Block) -> dict[str, Any]:
    """The shortest JSON data that parses to this block."""
    dumped: dict[str, Any] = block.model_dump(mode="json")
    return dumped


def save_spec(spec: SpecLike, path: str | Path, **about: str) -> None:
    """Write a spec file; `about` are its name, doc and source."""
    meta = validate(SpecMeta, about, SpecError).model_dump(exclude_none=True, by_alias=True)
    Path(path).write_text(
        json.dumps({**meta, **dump_spec(as_block(spec))}, indent=2, ensure_ascii=False) + "\n", "utf-8"
    )


def resolve(spec: SpecLike, channels: int) -> Block:
    """The canonical form at C channels, which is what the compiler consumes.

    Raises:
        SpecError: not possible at this channel count.
    """
    if not isinstance(channels, int) or not 1 <= channels <= MAX_WIDTH:
        raise SpecError(
            "a block needs at least one channel, a whole number", got=channels, allowed=f"1 to {MAX_WIDTH:,}"
        )
    return as_block(spec).resolve(channels)


def identity(spec: SpecLike, channels: int | Iterable[int] = 64) -> str:
    """A short hash: two specs with the same hash are one design at these channel counts.

    Synonyms of the language have the same hash: rules and the numbers they give, what has no effect, what commutes,
    what nests. Two specs that only mathematics shows to be equal may have two.

    Raises:
        SpecError: not possible at one of the channel counts.
    """
    counts = [channels] if isinstance(channels, int) else sorted(set(channels))
    if not counts:
        raise SpecError("identity needs at least one channel count")
    forms = [[count, dump_spec(resolve(spec, count).canonical())] for count in counts]
    return hashlib.sha256(json.dumps(forms, sort_keys=True).encode()).hexdigest()[:16]


def diff(spec: SpecLike, other: SpecLike) -> list[str]:
    """In words, what turns `spec` into `other`, gate by gate; empty if they are written alike."""
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
