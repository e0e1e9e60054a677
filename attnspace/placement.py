"""Where attention goes: the named slots of a backbone, and what is inserted in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from torch import Tensor, nn

from attnspace.compiler import build
from attnspace.costing import watched_on_meta
from attnspace.errors import NOTHING, PlacementError, SpecError, in_file, within
from attnspace.primitives import Block
from attnspace.primitives.blocks.rezero import Rezero
from attnspace.primitives.node import fault
from attnspace.spec import SpecLike, as_block, read_spec, resolve
from attnspace.validation import did_you_mean, validate

__all__ = [
    "Placement",
    "Position",
    "Site",
    "Slot",
    "insert",
    "insert_at",
    "insert_design",
    "plan",
    "shape_of",
    "slots",
    "used_blocks",
]

Position = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
"""A place in a block of a backbone. An adapter names its own; those of the built-in backbones are

pre        its input, seen by the residual branch and the shortcut
conv1      before the first convolution, in the residual branch only
conv2      before the second convolution, after the first one's BN and ReLU
conv3      before the third convolution of a bottleneck, after the second one's BN and ReLU
expand     after the expansion of an inverted residual, its BN and activation
depthwise  after the depthwise convolution of an inverted residual, its BN and activation: where CA stands
residual   after the last BN, before the addition: where SE, CBAM and ECA stand
post_add   the block's output: after the addition, and its ReLU if there is one
identity   on the shortcut
"""


class Site(nn.Identity):
    """A place in a backbone where a block may be inserted; does nothing itself.

    Args:
        stage: 1-based stage of the backbone.
        block: 1-based block in its stage.
        position: where in the block.
        opened: whether `add_sites` put it there: then its position is a name of the user's, which tells nothing.
    """

    def __init__(self, stage: int, block: int, position: Position, *, opened: bool = False) -> None:
        super().__init__()
        self.stage = stage
        self.block = block
        self.position = position
        self.opened = opened


@dataclass(frozen=True)
class Slot:
    """A free place in one model.

    Attributes:
        name: the path of the submodule that an inserted block replaces.
        channels: C of the map there.
        resolution: H and W of the map there.
        stage: 1-based stage of the backbone.
        block: 1-based block in its stage.
        position: where in the block.
        map: the first slot at which a block does the same: `pre` may see what the block before it left at `post_add`,
            and `post_add` what was left at `residual` where nothing is added.
    """

    name: str
    channels: int
    resolution: tuple[int, int]
    stage: int
    block: int
    position: Position
    map: str


_FOLLOWING = (("post_add", "pre"), ("residual", "post_add"))
"""Positions that are one place where the second is given the very map that the first one leaves."""


def slots(model: nn.Module, input_shape: tuple[int, int, int]) -> list[Slot]:
    """The free slots of a model for inputs of (C, H, W), in the order of the forward pass.

    Channels and resolutions are read off a run on the meta device.

    Raises:
        PlacementError: the model cannot be run so.
    """
    sites = {module: name for name, module in model.named_modules() if isinstance(module, Site)}
    found: list[Slot] = []
    left: dict[str, Tensor] = {}

    def note(site: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(site, Site)
        _, channels, height, width = args[0].shape
        before = found[-1] if found else None
        follows = before and not site.opened and (before.position, site.position) in _FOLLOWING
        first = before.map if before and follows and left["map"] is args[0] else sites[site]
        found.append(Slot(sites[site], channels, (height, width), site.stage, site.block, site.position, first))
        left["map"] = args[0]

    watched_on_meta(model, input_shape, [site.register_forward_pre_hook(note) for site in sites])
    return found


def insert(
    model: nn.Module, blocks: Mapping[str, SpecLike], input_shape: tuple[int, int, int] | None = None
) -> nn.Module:
    """Put a block into each named slot of `model`, in place, and return the model.

    Weights are drawn slot by slot in the order of the forward pass. A block that resolves to the identity leaves
    its slot free.

    The channels of each slot are found with `input_shape`, (C, H, W); by default the model's own `input_shape`.

    Raises:
        PlacementError: no such slot, or it is taken.
        SpecError: a block is not possible at its slot's channels; the path begins with the slot's name.
    """
    return insert_at(model, blocks, slots(model, shape_of(model, input_shape)))


def insert_at(model: nn.Module, blocks: Mapping[str, SpecLike], available: Sequence[Slot]) -> nn.Module:
    """`insert` for a model whose free slots are known."""
    free = {slot.name: slot for slot in available}
    modules = dict(model.named_modules())
    for name in blocks:
        if name not in free:
            is_module = name in modules
            raise PlacementError(
                f"{name!r} is not a free slot" if is_module else f"no slot is named {name!r}",
                got=type(modules[name]).__name__ if is_module else NOTHING,
                allowed=_some(list(free)),
                remedy=None if is_module else did_you_mean(name, free),
            )
    resolved: dict[str, Block] = {}
    for name in free:
        if name in blocks:
            with within(name):
                resolved[name] = resolve(as_block(blocks[name]), free[name].channels)
    for name, block in resolved.items():
        if block.kind != "identity":
            model.set_submodule(name, build(block, free[name].channels))
    return model


Stages = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)]


def _as_tuple(stages: Any) -> Any:
    """Lists, as JSON data has them, are welcome in Python too."""
    return tuple(stages) if isinstance(stages, list) else stages


class Placement(BaseModel):
    """Which slots: one position, some stages, every k-th block of each stage, counted from the stage's last.

    `stages: null` means all of them. With `start: identity` each block is wrapped in a `rezero`, so that inserting it
    into a trained network changes nothing at first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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
        """`residual, stages 2+3, every 2, from identity`."""
        where = "all stages" if self.stages is None else f"stages {'+'.join(map(str, self.stages))}"
        if self.stages is not None and len(self.stages) == 1:
            where = f"stage {self.stages[0]}"
        every = [f"every {self.every}"] if self.every > 1 else []
        return ", ".join([self.position, where, *every, *(["from identity"] if self.start == "identity" else [])])


def plan(available: Sequence[Slot], placement: Placement, block: SpecLike | Mapping[int, SpecLike]) -> dict[str, Block]:
    """Slot name -> resolved block, for one block everywhere or one for each stage. Identities are left out.

    Two designs with equal plans are one network.

    Raises:
        PlacementError: a stage or position that the backbone does not have, or a stage without a block.
        SpecError: a block is not possible at its slot's channels.
    """
    stages = sorted({slot.stage for slot in available})
    chosen = placement.stages or tuple(stages)
    _check_exists(available, placement)
    per_stage = _per_stage(block, chosen, stages)
    planned: dict[str, Block] = {}
    for stage in sorted(chosen):
        here = [slot for slot in available if slot.stage == stage and slot.position == placement.position]
        for slot in reversed(here[:: -placement.every]):
            at, spec = per_stage[stage]
            with within(*at):
                try:
                    resolved = resolve(spec, slot.channels)
                except SpecError as error:
                    error.remedy = f"{error.remedy or 'choose another'} (slot {slot.name})"
                    raise
            if resolved.kind != "identity":
                gradual = placement.start == "identity"
                planned[slot.name] = Rezero(block=resolved).resolve(slot.channels) if gradual else resolved
    return planned


def _check_exists(available: Sequence[Slot], placement: Placement) -> None:
    if not available:
        raise PlacementError("the backbone has no free slot", at=("placement",), remedy="open some with add_sites")
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


def insert_design(model: nn.Module, design: str | Path, input_shape: tuple[int, int, int] | None = None) -> nn.Module:
    """Put a design, as a search writes it to `winner.json`, into a model like the one searched; return the model.

    Raises:
        SpecError, PlacementError: the file is no design, or not one that this model can take.
    """
    with in_file(str(design)):
        found = read_spec(design)
        with within("placement"):
            placement = validate(Placement, found.placement or {}, PlacementError)
        shape = shape_of(model, input_shape)
        available = slots(model, shape)
        return insert_at(model, plan(available, placement, found.blocks), available)


def used_blocks(block: Any, placement: Placement) -> Any:
    """A design's block, as JSON data, without those of stages where nothing is placed."""
    if placement.stages is None or not isinstance(block, Mapping) or "per_stage" not in block:
        return block
    return {"per_stage": {str(s): spec for s, spec in block["per_stage"].items() if int(s) in placement.stages}}


def shape_of(model: nn.Module, input_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """The input shape given, or else the model's own `input_shape`.

    Raises:
        PlacementError: it has none.
    """
    shape = input_shape or getattr(model, "input_shape", None)
    if shape is None:
        raise PlacementError("the input shape of this model is not known", remedy="pass input_shape=(C, H, W)")
    return shape


def _per_stage(
    block: SpecLike | Mapping[int, SpecLike], stages: tuple[int, ...], existing: Sequence[int]
) -> dict[int, tuple[tuple[str, ...], Block]]:
    """Stage -> (where its block stands in the design, the block)."""
    if isinstance(block, Mapping) and all(isinstance(stage, int) for stage in block):
        by_stage = {int(stage): as_block(spec) for stage, spec in block.items()}
        for stage in by_stage:
            if stage not in existing:
                raise PlacementError(
                    f"stage {stage} does not exist",
                    at=("block", "per_stage", str(stage)),
                    allowed=", ".join(map(str, existing)),
                )
        for stage in stages:
            if stage not in by_stage:
                raise PlacementError(
                    f"no block is given for stage {stage}",
                    at=("block", "per_stage"),
                    got=sorted(by_stage),
                    allowed=f"a block for each of stages {', '.join(map(str, stages))}",
                )
        return {stage: (("block", "per_stage", str(stage)), by_stage[stage]) for stage in stages}
    one = as_block(block)  # type: ignore[arg-type]  # a mapping by stage was handled above
    return dict.fromkeys(stages, (("block",), one))


def _listed(items: set[Any]) -> str:
    return ", ".join(map(str, sorted(items)))


def _some(names: list[str], limit: int = 8) -> str:
    shown = ", ".join(names[:limit])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > limit else shown or "none, every slot is taken"
