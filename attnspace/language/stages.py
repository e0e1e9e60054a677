"""One block for all stages of a network, or a block for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from attnspace.errors import PathPart, SpecError, within
from attnspace.primitives import Block

__all__ = ["StageBlocks", "parse_stages", "used_stages"]

_ALL = None
"""The key that stands for every stage."""


@dataclass(frozen=True)
class StageBlocks:
    """One block for all stages of a network, or a block for each; made by `of`, `per_stage` or `parse_stages`."""

    _blocks: Mapping[int | None, Block]

    @classmethod
    def of(cls, block: Block) -> Self:
        """One block for all stages."""
        return cls({_ALL: block})

    @classmethod
    def per_stage(cls, blocks: Mapping[int, Block]) -> Self:
        """A block for each stage, counted from 1."""
        return cls(dict(sorted(blocks.items())))

    @property
    def single(self) -> Block | None:
        """The one block for all stages; None where each has its own."""
        return self._blocks.get(_ALL)

    @property
    def stages(self) -> tuple[int, ...]:
        """The stages that have a block of their own."""
        return tuple(stage for stage in self._blocks if stage is not None)

    def at(self, stage: int) -> tuple[tuple[PathPart, ...], Block] | None:
        """The path of a stage's block in a design's document, and the block; None if the stage has none."""
        if (block := self.single) is not None:
            return ("block",), block
        return (("block", "per_stage", str(stage)), self._blocks[stage]) if stage in self._blocks else None

    def titled(self) -> list[tuple[str, Block]]:
        """Each block with its title, such as `stage 2`; the title is empty where one block is for all stages."""
        return [("" if stage is None else f"stage {stage}", block) for stage, block in self._blocks.items()]

    def mapped(self, change: Callable[[Block], Block]) -> Self:
        """The same stages, with each block replaced by what `change` makes of it."""
        return type(self)({stage: change(block) for stage, block in self._blocks.items()})

    def label(self) -> str:
        """The blocks in a few characters."""
        if (block := self.single) is not None:
            return block.label()
        return " | ".join(f"{stage}: {block.label()}" for stage, block in self._blocks.items())

    def data(self) -> dict[str, Any]:
        """The shortest JSON data that parses to this."""
        if (block := self.single) is not None:
            written: dict[str, Any] = block.model_dump(mode="json")
            return written
        return {"per_stage": {str(stage): block.model_dump(mode="json") for stage, block in self._blocks.items()}}


def parse_stages(data: Any, parse: Callable[[Any], Block]) -> StageBlocks:
    """Parse `{per_stage: {1: ..., 2: ...}}`, or one block for all stages.

    Args:
        data: the JSON data.
        parse: parses the data of one block.

    Raises:
        SpecError: a stage or a block is not valid; the error names the path of the fault.
    """
    if not isinstance(data, Mapping) or "per_stage" not in data:
        return StageBlocks.of(parse(data))
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
                if isinstance(block, Mapping) and "per_stage" in block:
                    parse_stages(block, parse)  # a fault inside is named first
                    raise SpecError("stages inside a stage", remedy="give each stage one block")
                blocks[int(stage)] = parse(block)
    return StageBlocks.per_stage(blocks)


def used_stages(data: Any, stages: Iterable[int] | None) -> Any:
    """The JSON data of blocks without those of unused stages; with `stages` None, all are used."""
    if stages is None or not isinstance(data, Mapping) or "per_stage" not in data:
        return data
    used = set(stages)
    return {"per_stage": {str(stage): block for stage, block in data["per_stage"].items() if int(stage) in used}}
