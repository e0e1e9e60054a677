"""Which slots a design uses: position, stages, every k-th block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from attnspace.documents.families import fault
from attnspace.documents.sections import Section
from attnspace.documents.validation import did_you_mean
from attnspace.errors import PlacementError, SpecError, within
from attnspace.language.identity import resolve
from attnspace.language.specs import SpecLike, as_block
from attnspace.language.stages import StageBlocks
from attnspace.placement.position import Position
from attnspace.primitives import Block
from attnspace.primitives.blocks.rezero import Rezero

if TYPE_CHECKING:
    from attnspace.placement.slots import Slot

__all__ = ["Placement", "Plan", "plan", "plan_blocks"]


Stages = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)]


def _as_tuple(stages: Any) -> Any:
    """Accept the stages as a list too, as JSON data has them."""
    return tuple(stages) if isinstance(stages, list) else stages


class Placement(Section):
    """Which slots: one position, some stages, every k-th block of each stage, counted from the stage's last.

    `stages: null` means all of them. With `start: identity` each block is wrapped in a `rezero`, so that inserting it
    into a trained network changes nothing at first.
    """

    position: Annotated[Position, Field(description="Where in a block of the backbone.")] = "residual"
    stages: Annotated[
        Stages | None, BeforeValidator(_as_tuple), Field(description="Which stages, counted from 1; null for all.")
    ] = None
    every: Annotated[int, Field(ge=1, le=1024, description="Every k-th block, counted from the stage's last.")] = 1
    start: Annotated[
        Literal["published", "identity"],
        Field(description="What blocks compute at first: what was published, or nothing."),
    ] = "published"

    @model_validator(mode="after")
    def _each_stage_once(self) -> Self:
        if self.stages and len(set(self.stages)) < len(self.stages):
            raise fault("a stage is listed twice", at=("stages",), remedy="list it once")
        return self

    def label(self) -> str:
        """The placement in short: `residual, stages 2+3, every 2, from identity`."""
        where = "all stages" if self.stages is None else f"stages {'+'.join(map(str, self.stages))}"
        if self.stages is not None and len(self.stages) == 1:
            where = f"stage {self.stages[0]}"
        every = [f"every {self.every}"] if self.every > 1 else []
        return ", ".join([self.position, where, *every, *(["from identity"] if self.start == "identity" else [])])


class Plan(dict[str, Block]):
    """The block for each slot, by slot name, resolved at the channels of its slot: what is built.

    Attributes:
        channels: the channels at which each block is resolved, by slot name.
    """

    def __init__(self, blocks: Mapping[str, Block], channels: Mapping[str, int]) -> None:
        super().__init__(blocks)
        self.channels = {name: channels[name] for name in blocks}


def plan(available: Sequence[Slot], placement: Placement, block: SpecLike | Mapping[int, SpecLike]) -> Plan:
    """Plan which block goes to which slot, for one block everywhere or one for each stage. Identities are left out.

    Two designs with equal plans are one network.

    Raises:
        PlacementError: a stage or position that the backbone does not have, or a stage without a block.
        SpecError: a block is not possible at its slot's channels.
    """
    if isinstance(block, Mapping) and all(isinstance(stage, int) for stage in block):
        blocks = StageBlocks.per_stage({int(stage): as_block(spec) for stage, spec in block.items()})
    else:
        blocks = StageBlocks.of(as_block(block))  # type: ignore[arg-type]  # a mapping by stage was handled above
    return plan_blocks(available, placement, blocks)


def plan_blocks(available: Sequence[Slot], placement: Placement, blocks: StageBlocks) -> Plan:
    """Plan as `plan` does, for blocks that are already parsed."""
    stages = sorted({slot.stage for slot in available})
    chosen = placement.stages or tuple(stages)
    _check_exists(available, placement)
    _check_stages(blocks, chosen, stages)
    planned: dict[str, Block] = {}
    channels: dict[str, int] = {}
    for stage in sorted(chosen):
        found = blocks.at(stage)
        assert found
        at, block = found
        here = [slot for slot in available if slot.stage == stage and slot.position == placement.position]
        known: dict[Any, Block] = {}
        for slot in reversed(here[:: -placement.every]):
            key = slot.channels, slot.resolution if 1 in slot.resolution else None
            if key not in known:
                with within(*at):
                    known[key] = _resolved(block, slot, gradual=placement.start == "identity")
            if known[key].kind != "identity":
                planned[slot.name], channels[slot.name] = known[key], slot.channels
    return Plan(planned, channels)


def _resolved(block: Block, slot: Slot, *, gradual: bool) -> Block:
    """The block resolved at the channels of a slot; `gradual` if it is to begin as the identity."""
    try:
        resolved = resolve(block, slot.channels)
    except SpecError as error:
        error.remedy = f"{error.remedy or 'choose another'} (slot {slot.name})"
        raise
    if 1 in slot.resolution and resolved.kind != "identity":
        _check_runs(resolved, slot)
    return Rezero(block=resolved).resolve(slot.channels) if gradual else resolved


def _check_runs(block: Block, slot: Slot) -> None:
    """Check that a block takes maps of one row or column: a deviation, for example, needs several values.

    Raises:
        SpecError: it does not.
    """
    from attnspace.costs.network import cost

    height, width = slot.resolution
    try:
        cost(block, (slot.channels, height, width))
    except ValueError as cause:
        raise SpecError(
            f"cannot stand where maps are {height}x{width}: {cause}",
            remedy=f"choose another block or other stages, or larger images (slot {slot.name})",
        ) from cause


def _check_stages(blocks: StageBlocks, chosen: Sequence[int], existing: Sequence[int]) -> None:
    """Check that blocks are given for stages that exist, and that every chosen stage has one."""
    for stage in blocks.stages:
        if stage not in existing:
            raise PlacementError(
                f"stage {stage} does not exist",
                at=("block", "per_stage", str(stage)),
                allowed=", ".join(map(str, existing)),
            )
    for stage in chosen:
        if blocks.at(stage) is None:
            raise PlacementError(
                f"no block is given for stage {stage}",
                at=("block", "per_stage"),
                got=list(blocks.stages),
                allowed=f"a block for each of stages {', '.join(map(str, chosen))}",
            )


def _check_exists(available: Sequence[Slot], placement: Placement) -> None:
    if not available:
        raise PlacementError(
            "the backbone has no free slot where a block could stand",
            at=("placement",),
            remedy="say where slots are to be opened: in a study with backbone.slots, such as "
            "slots: {post_add: {after: 'layer*'}}; in Python with attnspace.add_sites",
        )
    stages = {slot.stage for slot in available}
    positions = {slot.position for slot in available}
    having = {slot.stage for slot in available if slot.position == placement.position}
    for i, stage in enumerate(placement.stages or ()):
        if stage not in stages:
            raise PlacementError(
                f"stage {stage} does not exist", at=("placement", "stages", i), allowed=_listed(stages)
            )
        if having and stage not in having:
            raise PlacementError(
                f"stage {stage} has no position {placement.position!r}",
                at=("placement", "stages", i),
                allowed=_listed(having),
            )
    if not having:
        raise PlacementError(
            f"position {placement.position!r} does not exist",
            at=("placement", "position"),
            allowed=_listed(positions),
            remedy=did_you_mean(placement.position, positions),
        )


def _listed(items: set[Any]) -> str:
    return ", ".join(map(str, sorted(items)))
