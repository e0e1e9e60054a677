"""A design as a document: as it stands in a study's space with its holes filled, in the ledger and in winner.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from attnspace.documents.validation import validate
from attnspace.errors import PlacementError, within
from attnspace.language.specs import SpecFile, parse_blocks
from attnspace.language.stages import StageBlocks, used_stages
from attnspace.placement.placement import Placement

__all__ = ["DesignDocument"]


@dataclass(frozen=True)
class DesignDocument:
    """A block, or one for each stage, and where it stands.

    Attributes:
        blocks: the blocks, parsed.
        placement: where they stand.
        block: the blocks as JSON data, as they were written, without those of stages where nothing is placed.
    """

    blocks: StageBlocks
    placement: Placement
    block: Any

    @classmethod
    def of(cls, blocks: StageBlocks, placement: Placement, written: Any = None) -> Self:
        """Make the document of blocks and a placement; `written` is the JSON data of the blocks, if there is any."""
        data = blocks.data() if written is None else written
        return cls(blocks, placement, used_stages(data, placement.stages))

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Parse the JSON data `{block, placement}`.

        Raises:
            SpecError, PlacementError: a part is not valid; the error names the path of the fault.
        """
        with within("placement"):
            placement = validate(Placement, data["placement"], PlacementError)
        with within("block"):
            blocks = parse_blocks(data["block"])
        return cls.of(blocks, placement, data["block"])

    @classmethod
    def of_file(cls, found: SpecFile) -> Self:
        """The document of a file such as winner.json; a file with a block alone gets the default placement.

        Raises:
            PlacementError: the placement is not valid; the error names the path of the fault.
        """
        with within("placement"):
            return cls.of(found.blocks, validate(Placement, found.placement or {}, PlacementError))

    def data(self) -> dict[str, Any]:
        """The design as JSON data, as it may stand in a study's space."""
        return {"block": self.block, "placement": self.placement.model_dump(mode="json")}
