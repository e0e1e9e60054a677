"""A study made ready: data loaded, slots found, every option of the space tried for validity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from attnspace import backbones, data
from attnspace.costing import Cost, cost
from attnspace.data import Dataset
from attnspace.errors import AttnspaceError, PlacementError, SpecError, within
from attnspace.placement import Placement, Slot, insert_at, plan, slots, used_blocks
from attnspace.primitives import Block
from attnspace.space import Filling, Space
from attnspace.spec import dump_spec, load_spec, parse_blocks
from attnspace.study.config import BASELINES, StudyConfig, load_config
from attnspace.validation import validate

__all__ = ["Design", "Study", "prepare"]


@dataclass(frozen=True)
class Design:
    """A block, or one for each stage, at a placement in the study's backbone.

    Attributes:
        role: `trial`, or `baseline`.
        name: the baseline's name; empty for a trial.
        block: as written, JSON data.
        placement: where.
        plan: slot name -> resolved block: what is built.
        maps: slot name -> the first slot at which a block does the same.
        choices: hole name -> option taken.
    """

    role: str
    name: str
    block: Any
    placement: Placement
    plan: Mapping[str, Block]
    maps: Mapping[str, str]
    choices: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """The same for two designs exactly when they are one network."""
        built = sorted((self.maps[slot], json.dumps(dump_spec(block.canonical()))) for slot, block in self.plan.items())
        return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The block in a few characters; `none` where nothing is inserted."""
        blocks = parse_blocks(self.block)
        if not self.plan:
            return "none"
        if isinstance(blocks, Block):
            return blocks.label()
        return " | ".join(f"{stage}: {block.label()}" for stage, block in sorted(blocks.items()))

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
        return insert_at(self.backbone(), design.plan, self.slots)

    def cost(self, model: nn.Module) -> Cost:
        """Of one sample of the study's data."""
        return cost(model, self.data.input_shape)

    def design(self, filling: Filling) -> Design:
        """The design of one filling of the space.

        Raises:
            SpecError, PlacementError: the filling is no valid design.
        """
        return _trial(filling, self.slots)

    def meaning(self) -> dict[str, Any]:
        """What the study file means today: `$any`, and files that it names, may come to mean something else."""
        holes = [[hole.name, *hole.labels] for hole in self.space.holes()]
        space = hashlib.sha256(json.dumps(holes).encode()).hexdigest()[:16]
        return {"space": space, "baselines": {design.name: design.identity for design in self.baselines}}

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
            space.check(lambda filling: _trial(filling, available))
        baselines = _baselines(config, available, Path(path).parent)
        return Study(config, str(path), dataset, available, space, baselines)
    except AttnspaceError as error:
        raise document.place(error) from None


def _maps(available: Sequence[Slot]) -> dict[str, str]:
    return {slot.name: slot.map for slot in available}


def _trial(filling: Filling, available: tuple[Slot, ...]) -> Design:
    block, placement, choices = filling.data["block"], filling.data["placement"], filling.params
    with within("placement"):
        where = validate(Placement, placement, PlacementError)
    with within("block"):
        blocks = parse_blocks(block)
    planned = plan(available, where, blocks)
    used = used_blocks(block, where)
    return Design("trial", "", used, where, planned, _maps(available), choices)


def _baselines(config: StudyConfig, available: tuple[Slot, ...], folder: Path) -> tuple[Design, ...]:
    """The five, then the study's own.

    Raises:
        SpecError: one is not possible here, or is one of those before it.
    """
    where, maps = config.baselines.placement, _maps(available)
    designs = [Design("baseline", "none", {"kind": "identity"}, where, {}, maps)]
    named: list[tuple[tuple[str, ...], str]] = [(("baselines", name), name) for name in BASELINES[1:]]
    named += [(("baselines", "extra", str(i)), name) for i, name in enumerate(config.baselines.extra)]
    for at, name in named:
        with within(*at):
            is_file = "/" in name or Path(name).suffix in (".json", ".yaml", ".yml")
            block = load_spec(folder / name if is_file else name)
            try:
                planned = plan(available, where, block)
            except SpecError as error:
                error.remedy = "every study has it: widen the backbone, or choose other stages in baselines.placement"
                raise
            design = Design("baseline", Path(name).stem, dump_spec(block), where, planned, maps)
            for other in designs:
                if design.identity == other.identity or design.name == other.name:
                    what = "design" if design.identity == other.identity else "name"
                    raise SpecError(f"has the {what} of baseline {other.name}", got=name, remedy="remove it")
            designs.append(design)
    return tuple(designs)
