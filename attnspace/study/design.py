"""A study made ready: data loaded, slots found, every option of the space tried for validity."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from attnspace import backbones, data
from attnspace.backbones import BackboneConfig
from attnspace.data import Dataset, Watch
from attnspace.errors import AttnspaceError, PlacementError, RunError, SpecError, StudyError, within
from attnspace.imports import Imported
from attnspace.placement import Placement, Slot, insert_at, plan, slots, used_blocks
from attnspace.primitives import Block
from attnspace.results import load
from attnspace.samplers import make
from attnspace.space import Filling, Space
from attnspace.spec import dump_spec, load_spec, parse_blocks, parse_spec
from attnspace.study.config import BASELINES, Loop, Replay, StudyConfig, load_config
from attnspace.study.replay import Table
from attnspace.validation import validate

__all__ = ["Design", "Source", "Study", "made_ready", "prepare", "prepare_run", "space_of"]

DATA_VARIABLE = "ATTNSPACE_DATA"
"""The environment variable that says where images are, as `--data` does."""


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


@dataclass(frozen=True)
class Source:
    """What a study is made of; made again of it in another process, it is the same.

    Attributes:
        config: the study file, what it names seen from anywhere.
        file: its path; specs and tables are seen from its folder.
        known: name -> block of further baselines, for the study file of a run, which stands elsewhere.
    """

    config: StudyConfig
    file: str
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """Everything a search needs, checked.

    Attributes:
        source: what it was made of.
        data: training and validation images.
        slots: the free slots of the plain backbone.
        space: of mappings `{block, placement}`.
        baselines: always the five, then the study's own.
        table: what is looked up instead of training.
    """

    source: Source
    data: Dataset
    slots: tuple[Slot, ...]
    space: Space
    baselines: tuple[Design, ...]
    table: Table | None = None

    @property
    def config(self) -> StudyConfig:
        """The study file."""
        return self.source.config

    @property
    def file(self) -> str:
        """Its path."""
        return self.source.file

    def with_search(self, **settings: Any) -> Study:
        """The same study, searched in another way."""
        search = self.config.search.model_copy(update=settings)
        return replace(self, source=replace(self.source, config=self.config.model_copy(update={"search": search})))

    @property
    def epochs(self) -> int:
        """Of a whole training."""
        train = self.config.train
        if isinstance(train, Replay):
            assert self.table
            return self.table.epochs
        return train.epochs

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """Epochs of each rung; the end alone if there is no halving."""
        halving = self.config.search.rungs
        pauses = halving and not isinstance(self.config.train, Loop)
        return halving.budgets(self.epochs) if halving and pauses else (self.epochs,)

    def seed(self, further: int = 0) -> int:
        """The seed of a design's training, or of its n-th further one."""
        seed = self.config.search.seed + further
        return self.table.seeds[seed % len(self.table.seeds)] if self.table else seed

    def network(self, design: Design) -> nn.Module:
        """A new backbone with the design inserted, its weights drawn from torch's global stream."""
        config = design.backbone or self.config.backbone
        model = _backbone(config, self.data)
        return insert_at(model, design.plan, self.slots)

    def design(self, filling: Filling) -> Design:
        """The design of one filling of the space.

        Raises:
            SpecError, PlacementError: the filling is no valid design.
        """
        return _trial(filling, self.slots, self._maps)

    @cached_property
    def _maps(self) -> dict[str, str]:
        return _maps(self.slots)

    def meaning(self) -> dict[str, Any]:
        """What the study file means today: `$any`, and files that it names, may come to mean something else."""
        holes = [[name, repr(distribution)] for name, distribution in self.space.distributions().items()]
        space = hashlib.sha256(json.dumps(holes).encode()).hexdigest()[:16]
        baselines = {design.name: design.identity for design in self.baselines}
        return {"space": space, "data": self.data.fingerprint, "recipe": self.recipe, "baselines": baselines}

    @cached_property
    def recipe(self) -> str:
        """A hash of what an evaluation depends on besides design, seed and how far it went."""
        parts = self.config.model_dump(mode="json", include={"backbone", "train"})
        for name, section in (("backbone", self.config.backbone), ("train", self.config.train)):
            if isinstance(section, Imported):
                parts[name]["import"] = section.fingerprint()
        parts["data"] = self.data.fingerprint  # the same images are the same wherever they are kept
        if self.table:
            parts["train"] = self.table.study["train"]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def prepare(
    path: str | Path,
    known: Mapping[str, Any] | None = None,
    *,
    settings: str | Path | None = None,
    data_folder: Path | None = None,
    watch: Watch | None = None,
) -> Study:
    """Read a study file and check the whole of it, before anything is trained or written.

    Args:
        path: the study file.
        known: name -> block of further baselines, for the study file of a run, which stands elsewhere.
        settings: a file whose keys take the place of the study's.
        data_folder: where the images are, instead of where the study says.
        watch: hears of images that are decoded.

    Raises:
        AttnspaceError: with file, line and path of the fault.
    """
    config, document = load_config(path, settings)
    try:
        config = _located(config, Path(path).parent, data_folder)
        return made_ready(Source(config, str(path), known or {}), check=True, watch=watch)
    except AttnspaceError as error:
        raise document.place(error) from None


def made_ready(source: Source, *, check: bool = False, watch: Watch | None = None) -> Study:
    """The study of a file that was read; `check` tries every option of its space for validity."""
    config, folder = source.config, Path(source.file).parent
    with within("data"):
        dataset = data.load(config.data, watch)
    table = _table(config, folder)
    if isinstance(config.train, Loop):
        with within("train"):
            config.train.function(StudyError)
    with within("backbone"):
        available = tuple(slots(_backbone(config.backbone, dataset), dataset.input_shape))
    maps = _maps(available)
    space = space_of(config)
    if check:
        with within("space"):
            space.check(lambda filling: _trial(filling, available, maps))
    if config.search.sampler == "exhaustive":
        with within("search", "sampler"):
            make("exhaustive", space, 0, 0)
    return Study(source, dataset, available, space, _baselines(config, available, folder, source.known), table)


def _located(config: StudyConfig, folder: Path, data_folder: Path | None) -> StudyConfig:
    """The study with what it names seen from anywhere: the run's copy of it stands in another folder."""
    if data_folder is None and "path" in type(config.data).model_fields and os.environ.get(DATA_VARIABLE):
        data_folder = Path(os.environ[DATA_VARIABLE])
    with within("data"):
        found = data.located(config.data, folder, data_folder.resolve() if data_folder else None)
    changed: dict[str, Any] = {"data": found, "backbone": backbones.located(config.backbone, folder)}
    if isinstance(config.train, Loop):
        changed["train"] = config.train.located(folder)
    return config.model_copy(update=changed)


def _backbone(config: BackboneConfig, dataset: Dataset) -> nn.Module:
    channels, height, width = dataset.input_shape
    return backbones.make(config, channels, len(dataset.classes), (height, width))


def prepare_run(run: Path, data_folder: Path | None = None, watch: Watch | None = None) -> Study:
    """The study of a run directory, to confirm it.

    Raises:
        RunError: the run holds no study, or looked its results up.
        AttnspaceError: its study is not possible any more.
    """
    results = load(run)
    if results.study.get("train", {}).get("kind") == "replay":
        raise RunError("looked its results up in a table: there is nothing to train again", file=str(run))
    rows = results.frame
    baselines = rows[(rows["role"] == "baseline") & (rows["name"] != BASELINES[0])]
    known = {str(row["name"]): row["spec"]["block"] for _, row in baselines.iterrows()}
    return prepare(run / "study.yaml", known, data_folder=data_folder, watch=watch)


def _maps(available: Sequence[Slot]) -> dict[str, str]:
    return {slot.name: slot.map for slot in available}


def space_of(config: StudyConfig) -> Space:
    """The space of a study, of mappings `{block, placement}`, its fixed holes settled.

    Raises:
        SpaceError: a hole is faulty.
    """
    with within("space"):
        space = Space({"block": config.space.block, "placement": config.space.placement}, [Placement])
        with within("fixed"):
            return space.fixed(config.space.fixed)


def _table(config: StudyConfig, folder: Path) -> Table | None:
    if not isinstance(config.train, Replay):
        return None
    with within("train", "table"):
        table = Table(folder / config.train.table)
        for part in ("data", "backbone"):
            here = config.plain()
            recorded = validate(StudyConfig, here | {part: table.study[part]}, StudyError).plain()
            if _without_path(here[part]) != _without_path(recorded[part]):
                raise StudyError(
                    f"was recorded with another {part}",
                    got=here[part],
                    allowed=str(table.study[part]),
                    remedy="copy it here",
                )
    if config.times:
        raise StudyError("a table holds no latencies", at=("objective",), remedy="leave latency_ms out")
    return table


def _without_path(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "path"}


def _trial(filling: Filling, available: tuple[Slot, ...], maps: Mapping[str, str]) -> Design:
    block, placement, choices = filling.data["block"], filling.data["placement"], filling.params
    with within("placement"):
        where = validate(Placement, placement, PlacementError)
    with within("block"):
        blocks = parse_blocks(block)
    planned = plan(available, where, blocks)
    used = used_blocks(block, where)
    return Design("trial", "", used, where, planned, maps, choices)


def _baselines(
    config: StudyConfig, available: tuple[Slot, ...], folder: Path, known: Mapping[str, Any]
) -> tuple[Design, ...]:
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
            stem = Path(name).stem
            block = parse_spec(known[stem]) if stem in known else load_spec(folder / name if is_file else name)
            try:
                planned = plan(available, where, block)
            except SpecError as error:
                mend = "remove it" if at[-2] == "extra" else "every study has it: widen the backbone"
                error.remedy = f"{mend}, or choose other stages in baselines.placement"
                raise
            design = Design("baseline", stem, dump_spec(block), where, planned, maps)
            for other in designs:
                if design.identity == other.identity or design.name == other.name:
                    what = "design" if design.identity == other.identity else "name"
                    raise SpecError(f"has the {what} of baseline {other.name}", got=name, remedy="remove it")
            designs.append(design)
    return tuple(designs)
