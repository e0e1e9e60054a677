"""The study file: what may stand in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from attnspace.backbones import BackboneConfig, ResNetConfig
from attnspace.data import DataConfig, DigitsConfig
from attnspace.documents import Document, check_limits, read
from attnspace.errors import AttnspaceError, StudyError
from attnspace.placement import Placement
from attnspace.primitives.node import fault
from attnspace.train import Recipe
from attnspace.validation import validate

__all__ = ["BASELINES", "StudyConfig", "load_config"]

BASELINES = ("none", "se", "cbam", "eca", "ca")
"""Evaluated in every study: no attention, and the four blocks."""

Metric = Literal["val_accuracy", "val_loss"]


class Part(BaseModel):
    """A section of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SpaceConfig(Part):
    """What is searched: a block spec with holes (or `per_stage`, one for each stage) and a placement with holes."""

    block: Annotated[Any, Field(description="A block spec with holes, or one for each stage.")]
    placement: Any = Field(default_factory=dict, description="A placement with holes.")


class Baselines(Part):
    """Where the baselines stand, and further published blocks or spec files beside none, se, cbam, eca and ca."""

    placement: Annotated[Placement, Field(description="Where they stand.")] = Placement()
    extra: Annotated[tuple[str, ...], Field(max_length=64, description="Published names or spec files.")] = ()


class Objective(Part):
    """One metric of the last epoch, on the validation split."""

    maximize: Annotated[Metric | None, Field(description="A metric of which more is better.")] = None
    minimize: Annotated[Metric | None, Field(description="A metric of which less is better.")] = None

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if (self.maximize is None) == (self.minimize is None):
            raise fault("names one metric", allowed="maximize: val_accuracy, or minimize: val_loss")
        if self.maximize == "val_loss" or self.minimize == "val_accuracy":
            raise fault("a loss is minimized and an accuracy maximized", remedy="turn it round")
        return self

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.maximize or self.minimize or ""

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way is better."""
        return "maximize" if self.maximize else "minimize"


class SearchConfig(Part):
    """How many designs, suggested by what. `seed` draws suggestions, weights, order and augmentation.

    `threads` is the number of CPU threads that training may use; null leaves it to torch. Small networks hardly gain by
    a second one, and suffer when other programs want the cores.
    """

    trials: Annotated[int, Field(ge=1, le=1_000_000, description="New designs, besides the baselines.")] = 30
    sampler: Annotated[Literal["tpe", "random"], Field(description="What suggests designs.")] = "tpe"
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Of suggestions, weights, order and augmentation.")] = 0
    threads: Annotated[int | None, Field(ge=1, le=1024, description="CPU threads; null leaves it to torch.")] = None


class StudyConfig(Part):
    """A study file."""

    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80, description="Names the run's directory.")
    ]
    doc: Annotated[str | None, Field(max_length=2_000, description="What is asked.")] = None
    data: Annotated[DataConfig, Field(description="The images.")] = DigitsConfig()
    backbone: Annotated[BackboneConfig, Field(description="The network that blocks are put into.")] = ResNetConfig()
    space: Annotated[SpaceConfig, Field(description="What is searched.")]
    baselines: Annotated[Baselines, Field(description="What designs are compared with.")] = Baselines()
    objective: Annotated[Objective, Field(description="What is better.")] = Objective(maximize="val_accuracy")
    train: Annotated[Recipe, Field(description="How every design is trained.")] = Recipe()
    search: Annotated[SearchConfig, Field(description="How many designs, suggested by what.")] = SearchConfig()

    def plain(self) -> dict[str, Any]:
        """As plain data, with every default written out."""
        return self.model_dump(mode="json")


def load_config(path: str | Path) -> tuple[StudyConfig, Document]:
    """The study of a YAML or JSON file, and the document for naming lines in later faults.

    Raises:
        StudyError: with file, line and path.
    """
    document = read(path, StudyError)
    try:
        if not isinstance(document.data, dict):
            raise StudyError("a study is a mapping", got=document.data, allowed="name: ..., space: ..., search: ...")
        check_limits(document.data, StudyError)
        return validate(StudyConfig, document.data, StudyError), document
    except AttnspaceError as error:
        raise document.place(error) from None
