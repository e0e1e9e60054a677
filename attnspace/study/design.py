"""A study made ready: data loaded, slots found, every option of the space tried for validity."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from attnspace import backbones, data
from attnspace.costing import Cost, cost
from attnspace.data import Dataset
from attnspace.errors import AttnspaceError, PlacementError, SpecError, within
from attnspace.placement import Placement, Slot, insert, plan, slots
from attnspace.primitives import Block
from attnspace.space import Filling, Space
from attnspace.spec import SpecLike, dump_spec, load_spec, parse_spec
from attnspace.study.config import BASELINES, StudyConfig, load_config
from attnspace.validation import validate

__all__ = ["Design", "Study", "prepare"]

TRIES_PER_OPTION = 40


@dataclass(frozen=True)
class Design:
    """A block, or one for each stage, at a placement in the study's backbone.

    Attributes:
        role: `trial`, or `baseline`.
        name: the baseline's name; empty for a trial.
        block: as written, JSON data.
        placement: where.
        plan: slot name -> resolved block: what is built.
        choices: hole name -> option taken.
    """

    role: str
    name: str
    block: Any
    placement: Placement
    plan: Mapping[str, Block]
    choices: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """The same for two designs exactly when they are one network."""
        built = sorted((slot, dump_spec(block)) for slot, block in self.plan.items())
        return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The block in a few characters; `none` where nothing is inserted."""
        if not self.plan:
            return "none"
        stages = _per_stage(self.block)
        if stages is None:
            return parse_spec(self.block).label()
        return " | ".join(f"{stage}: {parse_spec(block).label()}" for stage, block in sorted(stages.items()))

    def written(self) -> dict[str, Any]:
        """`block` and `placement` as JSON data, as they may stand in a study's space."""
        return {"block": self.block, "placement": self.placement.model_dump(mode="json")}


@dataclass(frozen=True)
class Study:
    """Everything a search needs, checked.

    Attributes:
        config: the study file.
        file: its path.
        data: training and validation images.
        slots: the free slots of the plain backbone.
        space: of mappings `{block, placement}`.
        baselines: always the five, then the study's own.
    """

    config: StudyConfig
    file: str
    data: Dataset
    slots: tuple[Slot, ...]
    space: Space
    baselines: tuple[Design, ...]

    def backbone(self) -> nn.Module:
        """A new plain backbone, its weights drawn from torch's global stream."""
        return backbones.make(self.config.backbone, self.data.input_shape[0], len(self.data.classes))

    def network(self, design: Design) -> nn.Module:
        """A new backbone with the design inserted."""
        return insert(self.backbone(), dict(design.plan), self.data.input_shape)

    def cost(self, model: nn.Module) -> Cost:
        """Of one sample of the study's data."""
        return cost(model, self.data.input_shape)

    def design(self, filling: Filling) -> Design:
        """The design of one filling of the space.

        Raises:
            SpecError, PlacementError: the filling is no valid design.
        """
        return _design("trial", "", filling.data["block"], filling.data["placement"], self.slots, filling.params)

    @cached_property
    def recipe(self) -> str:
        """A hash of what an evaluation depends on besides design, seed and budget."""
        parts = self.config.model_dump(mode="json", include={"data", "backbone", "train"})
        parts["train"].pop("epochs")
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def prepare(path: str | Path) -> Study:
    """Read a study file and check the whole of it, before anything is trained or written.

    Raises:
        AttnspaceError: with file, line and path of the fault.
    """
    config, document = load_config(path)
    try:
        dataset = data.load(config.data)
        model = backbones.make(config.backbone, dataset.input_shape[0], len(dataset.classes))
        available = tuple(slots(model, dataset.input_shape))
        with within("space"):
            space = Space({"block": config.space.block, "placement": config.space.placement})
            _check_options(space, available)
        with within("baselines"):
            baselines = tuple(
                _baseline(name, config.baselines.placement, available, Path(path).parent)
                for name in dict.fromkeys((*BASELINES, *config.baselines.extra))
            )
        return Study(config, str(path), dataset, available, space, baselines)
    except AttnspaceError as error:
        raise document.place(error) from None


def _design(
    role: str, name: str, block: Any, placement: Any, available: tuple[Slot, ...], choices: Mapping[str, Any]
) -> Design:
    with within("placement"):
        where = validate(Placement, placement, PlacementError)
    with within("block"):
        stages = _per_stage(block)
        parsed = parse_spec(_mapping(block)) if stages is None else _parse_stages(stages)
    return Design(role, name, block, where, plan(list(available), where, parsed), choices)


def _parse_stages(stages: Mapping[int, Any]) -> dict[int, SpecLike]:
    parsed: dict[int, SpecLike] = {}
    for stage, spec in stages.items():
        with within("per_stage", str(stage)):
            parsed[stage] = parse_spec(_mapping(spec))
    return parsed


def _mapping(block: Any) -> Mapping[str, Any]:
    if not isinstance(block, Mapping):
        raise SpecError("a block is a mapping", got=block, allowed='{"kind": ...}, or a hole')
    return block


def _per_stage(block: Any) -> dict[int, Any] | None:
    """Stage -> block, if the block is given for each stage."""
    if not isinstance(block, Mapping) or "per_stage" not in block:
        return None
    stages = block["per_stage"]
    if len(block) > 1 or not isinstance(stages, Mapping) or not stages:
        raise SpecError(
            "takes one block for each stage and no other key", at=("per_stage",), allowed="{1: ..., 2: ...}"
        )
    for stage in stages:
        if not str(stage).isdecimal():
            raise SpecError(f"{stage!r} is no stage", at=("per_stage", stage), allowed="1, 2, ...")
    return {int(stage): spec for stage, spec in stages.items()}


def _baseline(name: str, placement: Placement, available: tuple[Slot, ...], folder: Path) -> Design:
    if name == "none":
        return Design("baseline", "none", {"kind": "identity"}, placement, {})
    spec = folder / name if "/" in name or name.endswith(".json") else name
    with within(name):
        block = load_spec(spec)
        try:
            planned = plan(list(available), placement, block)
        except SpecError as error:
            error.remedy = "widen the backbone, or choose other stages in baselines.placement"
            raise
        return Design("baseline", Path(name).stem, dump_spec(block), placement, planned)


def _check_options(space: Space, available: tuple[Slot, ...]) -> None:
    """Every option of every hole must be part of some valid design.

    Raises:
        AttnspaceError: of an option's first filling, if none of its fillings is valid.
    """
    rng = random.Random(0)
    whole = [(None, None, iter([space.sample(rng) for _ in range(TRIES_PER_OPTION)]))]
    for hole, label, fillings in (*whole, *space.covering(rng, TRIES_PER_OPTION)):
        first: AttnspaceError | None = None
        for filling in fillings:
            try:
                _design("trial", "", filling.data["block"], filling.data["placement"], available, filling.params)
                break
            except AttnspaceError as error:
                first = first or error
        else:
            assert first is not None
            if hole is not None:
                first.what = f"with {hole.name} = {label}, no design is valid: {first.what}"
            raise first
