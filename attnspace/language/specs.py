"""Block specs as files and texts: load, parse, save."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from attnspace.documents.document import Document
from attnspace.documents.limits import check_limits, has_holes
from attnspace.documents.models import Strict
from attnspace.documents.reading import parse_json, read
from attnspace.documents.validation import did_you_mean, validate
from attnspace.documents.writing import write_text
from attnspace.errors import AttnspaceError, SpecError, in_file, within
from attnspace.language.stages import StageBlocks, parse_stages
from attnspace.primitives import Block

__all__ = [
    "SpecFile",
    "SpecLike",
    "as_block",
    "dump_spec",
    "load_spec",
    "parse_blocks",
    "parse_spec",
    "parse_spec_file",
    "published",
    "read_spec",
    "save_spec",
]


_PUBLISHED = files("attnspace") / "published"


class SpecMeta(Strict):
    """What a spec file may carry at its root besides the block."""

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
        blocks: the block, or one for each stage.
        placement: the placement in a design file such as winner.json, as JSON data; None in other files.
    """

    blocks: StageBlocks
    placement: Any = None
    name: str | None = None
    doc: str | None = None
    source: str | None = None
    formula: str | None = None
    oracle: str | None = None
    file: str | None = None

    @property
    def block(self) -> Block:
        """The one block for all stages.

        Raises:
            SpecError: there is a block for each stage.
        """
        block = self.blocks.single
        if block is None:
            raise SpecError(
                "this design has a block for each stage",
                at=("block", "per_stage"),
                file=self.file,
                remedy="use insert_design, or take out the one you want",
            )
        return block


SpecLike = Block | SpecFile | Mapping[str, Any] | str | Path
"""A block, a file that was read, its JSON data, the path of a spec file, or the name of a published block."""


def published() -> list[str]:
    """The names of the published blocks: what `attnspace/published/` lists."""
    return sorted(entry.name.removesuffix(".json") for entry in _PUBLISHED.iterdir() if entry.name.endswith(".json"))


def load_spec(path_or_name: str | Path) -> Block:
    """Load the block of a spec file, or a published block by its name.

    Raises:
        SpecError: it is not valid; the error names the file and the path in it.
    """
    return read_spec(path_or_name).block


def read_spec(path_or_name: str | Path | Document) -> SpecFile:
    """Read a spec file, a document or a published block, with its name, doc and source.

    Raises:
        SpecError: it is not valid; the error names the file and the path in it.
    """
    text = str(path_or_name)
    if isinstance(path_or_name, str) and "." not in text and "/" not in text and "\\" not in text:
        return _read_published(text)
    document = path_or_name if isinstance(path_or_name, Document) else read(path_or_name, SpecError)
    try:
        return replace(parse_spec_file(document.data), file=document.file)
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
        return parse_spec_file(parse_json((_PUBLISHED / f"{name}.json").read_text("utf-8"), SpecError))


def parse_spec(data: Mapping[str, Any] | str) -> Block:
    """Parse a dict or a JSON text into the block that it describes.

    Raises:
        SpecError: it is not valid; the error names the path of the fault.
    """
    return parse_spec_file(parse_json(data, SpecError) if isinstance(data, str) else data).block


def parse_spec_file(data: Any) -> SpecFile:
    """Parse the data of a spec file: a block, or the block or blocks of a design.

    Raises:
        SpecError: it is not valid; the error names the path of the fault.
    """
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
        blocks = StageBlocks.of(_validated(rest))
    return SpecFile(blocks, placement, **meta.model_dump(exclude={"schema_"}))


def parse_blocks(data: Any) -> StageBlocks:
    """Parse the block of a design, or the blocks of its stages where they are given `per_stage`.

    Raises:
        SpecError: a block is not valid; the error names the path of the fault.
    """
    return parse_stages(data, _one_block)


def _one_block(data: Any) -> Block:
    if isinstance(data, str) and data in published():
        raise SpecError("a block is a mapping", got=data, remedy=f"write {{$published: {data}}}")
    if not isinstance(data, Mapping):
        raise SpecError("a block is a mapping", got=data, allowed='{"kind": ...}, or a hole')
    return parse_spec(data)


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
    """Turn a spec, in whatever form, into a Block; see `SpecLike`.

    Raises:
        SpecError: it is no valid spec.
    """
    if isinstance(spec, Block):
        return spec
    if isinstance(spec, SpecFile):
        return spec.block
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
    """Write a spec file, whole or not at all; `about` are its name, doc and source.

    Raises:
        RunFailed: the file cannot be written.
    """
    meta = validate(SpecMeta, about, SpecError).model_dump(exclude_none=True, by_alias=True)
    write_text(Path(path), json.dumps({**meta, **dump_spec(as_block(spec))}, indent=2, ensure_ascii=False) + "\n")
