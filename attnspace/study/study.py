"""A study made ready: everything that a search needs of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import nn

from attnspace import backbones
from attnspace.backbones import BackboneConfig
from attnspace.data import Dataset
from attnspace.documents.imports import Imported
from attnspace.placement.insertion import insert_at
from attnspace.placement.slots import Slot
from attnspace.space.space import Filling, Space
from attnspace.study.config import Loop, Replay, StudyConfig
from attnspace.study.design import Design, maps_of, trial_of
from attnspace.training.replay import Table

__all__ = ["Source", "Study", "network_of"]


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
        model = network_of(config, self.data)
        return insert_at(model, design.plan, self.slots)

    def design(self, filling: Filling) -> Design:
        """The design of one filling of the space.

        Raises:
            SpecError, PlacementError: the filling is no valid design.
        """
        return trial_of(filling, self.slots, self._maps)

    @cached_property
    def _maps(self) -> dict[str, str]:
        return maps_of(self.slots)

    def meaning(self) -> dict[str, Any]:
        """What the study file means today: `$any`, and files that it names, may come to mean something else."""
        holes = [[name, repr(distribution)] for name, distribution in self.space.distributions().items()]
        space = hashlib.sha256(json.dumps(holes).encode()).hexdigest()[:16]
        baselines = {design.name: design.identity for design in self.baselines}
        return {
            "space": space,
            "data": self.data.fingerprint,
            "code": self._code(),
            "recipe": self.recipe,
            "baselines": baselines,
        }

    def _code(self) -> dict[str, str]:
        """Section -> fingerprint of the function that it imports."""
        sections = {"backbone": self.config.backbone, "train": self.config.train}
        return {name: section.fingerprint() for name, section in sections.items() if isinstance(section, Imported)}

    @cached_property
    def recipe(self) -> str:
        """A hash of what an evaluation depends on besides design, seed and how far it went."""
        parts = self.config.model_dump(mode="json", include={"backbone", "train"})
        for name, fingerprint in self._code().items():
            parts[name]["import"] = fingerprint
        parts["data"] = self.data.fingerprint  # the same images are the same wherever they are kept
        if self.table:
            parts["train"] = self.table.study["train"]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def network_of(config: BackboneConfig, dataset: Dataset) -> nn.Module:
    """A new backbone for the images of a dataset."""
    channels, height, width = dataset.input_shape
    return backbones.make(config, channels, len(dataset.classes), (height, width))
