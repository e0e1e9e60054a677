"""The study file: what may stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from attnspace.backbones import Backbone, ResNetConfig
from attnspace.data import Data, DigitsConfig
from attnspace.documents.document import Document
from attnspace.documents.families import fault, kind_of
from attnspace.documents.limits import check_limits
from attnspace.documents.reading import read
from attnspace.documents.sections import Section
from attnspace.documents.validation import validate
from attnspace.errors import AttnspaceError, StudyError
from attnspace.objective.goals import Objective
from attnspace.placement.placement import Placement
from attnspace.samplers import SamplerName
from attnspace.training.recipe import Recipe
from attnspace.training.train import Train

__all__ = ["BASELINES", "Rung", "Rungs", "StudyConfig", "load_config"]

BASELINES = ("none", "se", "cbam", "eca", "ca")
"""Evaluated in every study: no attention, and the four blocks."""


FEWEST_SEEDS = 4
"""With fewer seeds a confirmation claims nothing."""


class SpaceConfig(Section):
    """What is searched: a block spec with holes (or `per_stage`, one for each stage) and a placement with holes.

    `fixed` settles some of the holes by their names, so that a part of the space is searched.
    """

    block: Annotated[Any, Field(description="A block spec with holes, or one for each stage.")]
    placement: Any = Field(default_factory=dict, description="A placement with holes.")
    fixed: Annotated[
        dict[str, Any], Field(max_length=256, description="Hole name -> its option: searches a part of the space.")
    ] = Field(default_factory=dict)


class Baselines(Section):
    """Where the baselines stand, and further published blocks or spec files beside none, se, cbam, eca and ca."""

    placement: Annotated[Placement, Field(description="Where they stand.")] = Placement()
    extra: Annotated[tuple[str, ...], Field(max_length=64, description="Published names or spec files.")] = ()


EARLIEST = 3
"""Epochs, at least, before the first rung where a study does not say."""


class Rung(NamedTuple):
    """How far a design has been trained: so many epochs, under so many seeds."""

    epochs: int
    seeds: int


class Rungs(Section):
    """Successive halving, in epochs and then in seeds: every design trains to the first rung, the best 1/`factor` of
    each rung go on to the next.

    A rung is `factor` times as far as the one before it. `first` is in epochs; null is about a ninth of all with the
    default factor of 3, two rungs before the end, but no fewer than three epochs, and never while the learning rate
    still rises: little is told there. With all epochs every design is trained to the end. A rung that turns out to
    explain little of the end stops no new design. Beyond the last epoch the rungs are 2, 4, ... up to `seeds` seeds.
    """

    first: Annotated[int | None, Field(ge=1, le=10_000, description="Epochs to the first rung.")] = None
    factor: Annotated[int, Field(ge=2, le=16, description="One in so many goes on, to so many times the epochs.")] = 3
    seeds: Annotated[int, Field(ge=1, le=64, description="Seeds of the best designs, which the last rungs train.")] = 4

    def budgets(self, epochs: int, *, pauses: bool = True, seeds: int | None = None, rise: int = 0) -> tuple[Rung, ...]:
        """The rungs of a study, the last one being all epochs under all seeds.

        Args:
            epochs: of a whole training.
            pauses: whether a training can wait on a rung; otherwise each goes to the end at once.
            seeds: how many there are; None for any number.
            rise: the epochs during which the learning rate rises.
        """
        found: list[Rung] = []
        rung = self.first or max(EARLIEST, round(epochs / self.factor**2))
        if self.first is None and rung <= rise:
            rung = max(round(epochs / self.factor), rise + 1)
        while pauses and rung <= epochs / self.factor**0.5:  # a rung nearer to the end would hardly save anything
            found.append(Rung(rung, 1))
            rung *= self.factor
        found.append(Rung(epochs, 1))
        most = self.seeds if seeds is None else min(self.seeds, seeds)
        while found[-1].seeds < most:
            found.append(Rung(epochs, min(most, 2 * found[-1].seeds)))
        return tuple(found)


class SearchConfig(Section):
    """How many designs, suggested by what. `seed` draws suggestions, weights, order and augmentation.

    `device` is where networks are trained: `auto` takes a GPU if there is one. `workers` is how many are trained at
    once, each by a process of its own; null measures on a GPU how many bring most, and is 1 on a CPU. With several,
    what comes next depends on who ends first, so that another run need not repeat the search. `threads` is the number
    of CPU threads that each training may use; null leaves it to torch, or shares the cores among workers. Small
    networks hardly gain by a second one, and suffer when other programs want the cores.
    """

    trials: Annotated[int, Field(ge=1, le=1_000_000, description="New designs, besides the baselines.")] = 30
    sampler: Annotated[
        SamplerName | None,
        Field(description="What suggests designs; null: forest for one objective, nsga2 for several."),
    ] = None
    rungs: Annotated[
        Rungs | None, Field(description="Successive halving; null trains every design to the end, under one seed.")
    ] = Rungs()
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Of suggestions, weights, order and augmentation.")] = 0
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda, or cuda:N.")] = (
        "auto"
    )
    workers: Annotated[
        int | None, Field(ge=1, le=256, description="Trainings at once; null measures on a GPU, and is 1 on a CPU.")
    ] = None
    threads: Annotated[int | None, Field(ge=1, le=1024, description="CPU threads; null leaves it to torch.")] = None

    @model_validator(mode="before")
    @classmethod
    def _seeds_are_rungs(cls, data: Any) -> Any:
        """Earlier versions wrote `seeds: 1` and `promising: 5` where nothing was said of them."""
        if not isinstance(data, Mapping) or not {"seeds", "promising"} & data.keys():
            return data
        if data.get("seeds", 1) != 1:
            raise fault("is a part of the rungs", at=("seeds",), remedy=f"write rungs: {{seeds: {data['seeds']}}}")
        return {key: value for key, value in data.items() if key not in ("seeds", "promising")}


class ConfirmConfig(Section):
    """What `attnspace confirm` trains again, beside the baselines and the controls, on fresh paired seeds.

    The results are looked at after each number of seeds in `looks`, the last of which is `seeds`, and the confirmation
    ends as soon as the recommendation is settled. `looks: null` is four looks, the first of them at 0.4 of the seeds;
    with fewer than four seeds nothing is claimed. With `splits: fresh` each seed has training and validation images of
    its own, where the study draws them; the test images are always the same.
    """

    top: Annotated[int, Field(ge=1, le=64, description="How many of the best designs.")] = 3
    seeds: Annotated[int, Field(ge=2, le=1_000, description="Fresh seeds of each, at most.")] = 10
    looks: Annotated[
        tuple[Annotated[int, Field(ge=FEWEST_SEEDS, le=1_000)], ...] | None,
        Field(min_length=1, max_length=20, description="After how many seeds results are looked at; null: four looks."),
    ] = None
    margin: Annotated[
        float | None,
        Field(gt=0, le=100, description="Points of test accuracy: a smaller difference is none in practice."),
    ] = None
    splits: Annotated[
        Literal["fresh", "same"],
        Field(description="Training and validation images: drawn anew for each seed, or those of the search."),
    ] = "fresh"

    @model_validator(mode="after")
    def _looks_rise_to_the_end(self) -> Self:
        looks = self.looks
        if looks and (list(looks) != sorted(set(looks)) or looks[-1] != self.seeds):
            allowed = f"rising numbers of seeds, the last one being {self.seeds}"
            raise fault("are no looks at this plan", at=("looks",), allowed=allowed, remedy="or looks: null")
        return self

    def planned_looks(self, seeds: int) -> tuple[int, ...]:
        """The looks of a confirmation of so many seeds: those that the study names, if it speaks of as many seeds."""
        if self.looks and seeds == self.looks[-1]:
            return self.looks
        if seeds < FEWEST_SEEDS:
            return (seeds,)
        shares = (max(FEWEST_SEEDS, round(seeds * share)) for share in (0.4, 0.6, 0.8, 1.0))
        return tuple(sorted(set(shares)))


class StudyConfig(Section):
    """A study file."""

    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80, description="Names the run's directory.")
    ]
    doc: Annotated[str | None, Field(max_length=2_000, description="What is asked.")] = None
    data: Annotated[Data, Field(description="The images.")] = DigitsConfig()
    backbone: Annotated[Backbone, Field(description="The network that blocks are put into.")] = ResNetConfig()
    space: Annotated[SpaceConfig, Field(description="What is searched.")]
    baselines: Annotated[Baselines, Field(description="What designs are compared with.")] = Baselines()
    objective: Annotated[Objective, Field(description="What is better.")] = Objective(maximize="val_accuracy")
    train: Annotated[
        Train,
        Field(description="How every design is trained, by what loop, or where its results are looked up."),
    ] = Recipe()
    search: Annotated[SearchConfig, Field(description="How many designs, suggested by what.")] = SearchConfig()
    confirm: Annotated[ConfirmConfig, Field(description="What is trained again to be sure.")] = ConfirmConfig()

    @model_validator(mode="after")
    def _times_on_an_idle_machine(self) -> Self:
        if self.objective.times and (self.search.workers or 1) > 1:
            raise fault(
                "cannot be more than 1 where latencies are measured, which needs an idle machine",
                at=("search", "workers"),
                remedy="leave workers out, or latency_ms",
            )
        return self

    @model_validator(mode="after")
    def _no_rungs_without_pauses(self) -> Self:
        if not self.train.pauses and self.search.rungs and self.search.rungs.first:
            raise fault("needs a training that can pause", at=("search", "rungs", "first"), remedy="leave first out")
        return self

    @model_validator(mode="after")
    def _rung_within_the_training(self) -> Self:
        rungs = self.search.rungs
        epochs = self.train.length
        if epochs and rungs and rungs.first and rungs.first > epochs:
            allowed = f"up to {epochs}, where every design is trained to the end"
            raise fault(
                "comes after the end", at=("search", "rungs", "first"), allowed=allowed, remedy="or rungs: null"
            )
        return self

    @model_validator(mode="after")
    def _a_forest_has_one_objective(self) -> Self:
        if self.search.sampler == "forest" and len(self.objective.goals) > 1:
            remedy = "leave sampler out, or write sampler: nsga2"
            raise fault("is for one objective", at=("search", "sampler"), remedy=remedy)
        return self

    @property
    def sampler(self) -> str:
        """What suggests designs: what the study names, else what is best for its objectives by measurement."""
        return self.search.sampler or ("forest" if len(self.objective.goals) == 1 else "nsga2")

    def plain(self) -> dict[str, Any]:
        """Write the study as plain data, with every default.

        Limits that are not set, of costs that a user declared, are left out: the run is read without their module.
        """
        data = self.model_dump(mode="json")
        data["search"]["sampler"] = self.sampler
        for name in self.objective.subject_to.unset():
            data["objective"]["subject_to"].pop(name, None)
        return data


def written_out(study: Mapping[str, Any]) -> dict[str, Any]:
    """A study's plain data, with the defaults of today where it says nothing.

    Raises:
        StudyError: it is no study of today.
    """
    return validate(StudyConfig, study, StudyError).plain()


def _same_kind(name: str, before: Any, now: Any) -> bool:
    """Whether a settings file and the study mean the same kind of section, so that its keys go into the study's."""
    field = StudyConfig.model_fields.get(name)
    default = getattr(field.default, "kind", "") if field else ""
    if name == "space" or not isinstance(now, dict):
        return False
    return not {"kind", "import"} & now.keys() or kind_of(now, default) == kind_of(before, default)


def load_config(path: str | Path | Document, settings: str | Path | None = None) -> tuple[StudyConfig, Document]:
    """The study of a YAML or JSON file, and the document for naming lines in later faults.

    Args:
        path: the study, or its document where that was read before.
        settings: a file with keys of a study that take the place of its own. Mappings are merged; `space`, and sections
            of another kind than the study's, are taken whole.

    Raises:
        StudyError: with file, line and path.
    """
    document = path if isinstance(path, Document) else read(path, StudyError)
    if settings is not None:
        document = document.under(read(settings, StudyError), _same_kind)
    try:
        if not isinstance(document.data, dict):
            raise StudyError("a study is a mapping", got=document.data, allowed="name: ..., space: ..., search: ...")
        if "space" not in document.data and {"kind", "block"} & document.data.keys():
            raise StudyError(
                "is a block, not a study",
                got=sorted(map(str, document.data)),
                allowed="name: ..., space: {block: ...}, ...",
                remedy="write it under space.block of a study; attnspace check checks a block",
            )
        check_limits(document.data, StudyError)
        return validate(StudyConfig, document.data, StudyError), document
    except AttnspaceError as error:
        raise document.place(error) from None
