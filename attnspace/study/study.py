"""A study made ready: everything that a search needs of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn

from attnspace.backbones import Backbone
from attnspace.costs.inputs import Inputs, inputs_of
from attnspace.data import Dataset
from attnspace.errors import RunError
from attnspace.placement.insertion import insert_at
from attnspace.placement.slots import Slot
from attnspace.space.space import Filling, Space
from attnspace.study.config import Rung, StudyConfig
from attnspace.study.design import Design, same_slots, trial_of
from attnspace.training.method import Method

__all__ = ["Study", "StudySource", "inputs_for", "network_of"]


@dataclass(frozen=True)
class StudySource:
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
        baselines: the five, as far as they fit into the backbone, then the study's own.
        method: how designs come to their results.
        remarks: what the user should know of the backbone and baselines, in sentences.
    """

    source: StudySource
    data: Dataset
    slots: tuple[Slot, ...]
    space: Space
    baselines: tuple[Design, ...]
    method: Method
    remarks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the study, in sentences."""
        return (*self.data.notes, *self.remarks, *self._early_rung())

    def _early_rung(self) -> tuple[str, ...]:
        """A note where the study asks for a rung at which little can be told."""
        halving, rise = self.config.search.rungs, self.config.train.rise
        if halving is None or self.rungs[0].epochs > rise:
            return ()
        later = halving.model_copy(update={"first": None}).budgets(self.epochs, rise=rise)[0].epochs
        return (
            f"the first rung, at epoch {self.rungs[0].epochs}, lies where the learning rate still rises, until epoch "
            f"{rise}: designs are hardly told apart there; search.rungs.first: {later} comes after it",
        )

    @property
    def config(self) -> StudyConfig:
        """The study file."""
        return self.source.config

    @property
    def file(self) -> str:
        """The path of the study file."""
        return self.source.file

    @property
    def plain(self) -> Design:
        """The backbone without attention, the first of the baselines."""
        return self.baselines[0]

    @property
    def epochs(self) -> int:
        """The epochs of a whole training."""
        return self.method.epochs

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs that designs climb, in epochs and then in seeds; the end alone if there is no halving."""
        halving = self.config.search.rungs
        if halving is None:
            return (Rung(self.epochs, 1),)
        train = self.config.train
        return halving.budgets(self.epochs, pauses=train.pauses, seeds=self.method.seeds, rise=train.rise)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that the best designs are trained under; others by the first of them alone."""
        return tuple(self.seed(number) for number in range(self.rungs[-1].seeds))

    def seed(self, further: int = 0) -> int:
        """The seed of a design's training, or of its n-th further one."""
        return self.method.seed(self.config.search.seed + further)

    def network(self, design: Design) -> nn.Module:
        """A new backbone with the design inserted, its weights drawn from torch's global stream."""
        model = network_of(design.backbone or self.config.backbone, self.data)
        return insert_at(model, design.plan, self.slots)

    def spare_network(self, design: Design) -> nn.Module:
        """The same, for a look at it: what is drawn for it changes nothing that a training draws later."""
        with torch.random.fork_rng(devices=[]):
            return self.network(design)

    def design(self, filling: Filling) -> Design:
        """The design of one filling of the space.

        Raises:
            SpecError, PlacementError: the filling is no valid design.
        """
        return trial_of(filling.data, filling.choices, self.slots, self._same_as)

    def recorded_design(self, spec: Mapping[str, Any], choices: Mapping[str, Any], identity: str) -> Design:
        """The design of a trial that is on record, from what its row says.

        Raises:
            SpecError, PlacementError: it is no valid design any more.
            RunError: it is another network today, since the backbone has other slots or its stages other numbers.
        """
        design = trial_of(spec, choices, self.slots, self._same_as)
        if design.identity != identity:
            raise RunError(
                f"the design {design.label} ({design.place}) on record is another network today: the slots of the "
                "backbone or the numbers of its stages have changed, or this version of attnspace reads its block as "
                "another one (CHANGELOG, Numerics)",
                got=design.identity,
                allowed=identity,
                remedy="go on with the version of attnspace that began the run, or begin a new one",
            )
        return design

    @cached_property
    def _same_as(self) -> dict[str, str]:
        return same_slots(self.slots)

    def meaning(self) -> dict[str, Any]:
        """What the study file means today: `$any`, and files that it names, may come to mean something else."""
        holes = [[name, repr(distribution)] for name, distribution in self.space.distributions().items()]
        space = hashlib.sha256(json.dumps(holes).encode()).hexdigest()[:16]
        baselines = {design.name: design.identity for design in self.baselines}
        return {
            "space": space,
            "data": self.data.fingerprint,
            "code": self._code(),
            "protocol": self.protocol,
            "baselines": baselines,
        }

    def _code(self) -> dict[str, str]:
        """Name of a section -> fingerprint of the function that it imports."""
        found = {"backbone": self.config.backbone.code(), "train": self.config.train.code()}
        return {name: code for name, code in found.items() if code is not None}

    @cached_property
    def protocol(self) -> str:
        """A hash of what an evaluation depends on besides design, seed and how far it went."""
        backbone = self.config.backbone.model_dump(mode="json")
        if (code := self.config.backbone.code()) is not None:
            backbone["import"] = code
        # The same images are the same wherever they are kept.
        parts = {"backbone": backbone, "train": self.method.protocol(), "data": self.data.fingerprint}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def network_of(config: Backbone, dataset: Dataset) -> nn.Module:
    """A new backbone for the images of a dataset."""
    channels, height, width = dataset.input_shape
    return config.make(channels, len(dataset.classes), (height, width))


def inputs_for(network: nn.Module, dataset: Dataset) -> Inputs:
    """What a network is called with where its shapes are found: its own `example_inputs`, or images of the dataset."""
    return inputs_of(network, None if hasattr(network, "example_inputs") else dataset.input_shape)
