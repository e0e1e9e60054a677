"""A design: a block, or one for each stage, at a placement in a study's backbone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from attnspace.backbones import BackboneConfig
from attnspace.documents.validation import validate
from attnspace.errors import PlacementError, within
from attnspace.language.specs import dump_spec, parse_blocks
from attnspace.placement.placement import Placement, plan, used_blocks
from attnspace.placement.slots import Slot
from attnspace.primitives import Block
from attnspace.space.space import Filling

__all__ = ["Design", "maps_of", "trial_of"]


@dataclass(frozen=True)
class Design:
    """A block, or one for each stage, at a placement in the study's backbone.

    Attributes:
        role: `trial`, `baseline` or `control`.
        name: of a baseline or control; empty for a trial.
        block: as written, JSON data.
        placement: where.
        plan: slot name -> resolved block: what is built.
        maps: slot name -> the first slot at which a block does the same.
        choices: hole name -> option taken.
        backbone: instead of the study's.
    """

    role: str
    name: str
    block: Any
    placement: Placement
    plan: Mapping[str, Block]
    maps: Mapping[str, str]
    choices: Mapping[str, Any] = field(default_factory=dict)
    backbone: BackboneConfig | None = None

    @cached_property
    def identity(self) -> str:
        """The same for two designs exactly when they are one network."""
        built: list[Any] = sorted(
            (self.maps[slot], json.dumps(dump_spec(block.canonical()))) for slot, block in self.plan.items()
        )
        if self.backbone:
            built.append(self.backbone.model_dump(mode="json"))
        return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The block in a few characters; `none` where nothing is inserted."""
        if self.backbone:
            return "none, backbone widened"
        if not self.plan:
            return "none"
        blocks = parse_blocks(self.block)
        if isinstance(blocks, Block):
            return blocks.label()
        return " | ".join(f"{stage}: {block.label()}" for stage, block in sorted(blocks.items()))

    def written(self) -> dict[str, Any]:
        """`block` and `placement` as JSON data, as they may stand in a study's space."""
        written = {"block": self.block, "placement": self.placement.model_dump(mode="json")}
        return written | ({"backbone": self.backbone.model_dump(mode="json")} if self.backbone else {})


def trial_of(filling: Filling, available: tuple[Slot, ...], maps: Mapping[str, str]) -> Design:
    """The design of one filling of a space, at the slots that are available.

    Raises:
        SpecError, PlacementError: the filling is no valid design.
    """
    block, placement, choices = filling.data["block"], filling.data["placement"], filling.choices
    with within("placement"):
        where = validate(Placement, placement, PlacementError)
    with within("block"):
        blocks = parse_blocks(block)
    planned = plan(available, where, blocks)
    used = used_blocks(block, where)
    return Design("trial", "", used, where, planned, maps, choices)


def maps_of(available: Sequence[Slot]) -> dict[str, str]:
    """Slot name -> the first slot at which a block does the same."""
    return {slot.name: slot.map for slot in available}
