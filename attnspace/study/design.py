"""A design: a block, or one for each stage, at a placement in a study's backbone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from attnspace.backbones import Backbone
from attnspace.language.specs import dump_spec
from attnspace.placement.document import DesignDocument
from attnspace.placement.placement import Plan, plan_blocks
from attnspace.placement.slots import Slot
from attnspace.record.evaluation import Role

__all__ = ["Design", "same_slots", "trial_of"]


@dataclass(frozen=True)
class Design:
    """A design of a study.

    Attributes:
        role: what it is in the study.
        name: of a baseline or control; empty for a trial.
        document: its blocks and placement, as they were written.
        plan: slot name -> resolved block: what is built.
        same_as: slot name -> the first slot at which a block does the same.
        choices: hole name -> option taken.
        backbone: instead of the study's.
    """

    role: Role
    name: str
    document: DesignDocument
    plan: Plan
    same_as: Mapping[str, str]
    choices: Mapping[str, Any] = field(default_factory=dict)
    backbone: Backbone | None = None

    @cached_property
    def identity(self) -> str:
        """A hash that two designs share exactly when they are one network."""
        built: list[Any] = sorted(
            (self.same_as[slot], json.dumps(dump_spec(block.canonical()))) for slot, block in self.plan.items()
        )
        if self.backbone:
            built.append(self.backbone.model_dump(mode="json"))
        return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The block in a few characters; `none` where nothing is inserted."""
        if self.backbone:
            return "none, backbone widened"
        return self.document.blocks.label() if self.plan else "none"

    @property
    def place(self) -> str:
        """Where it stands, in words; empty where nothing is inserted."""
        return self.document.placement.label() if self.plan else ""

    def data(self) -> dict[str, Any]:
        """`block` and `placement` as JSON data, as they may stand in a study's space."""
        return self.document.data() | ({"backbone": self.backbone.model_dump(mode="json")} if self.backbone else {})


def trial_of(
    data: Mapping[str, Any], choices: Mapping[str, Any], available: tuple[Slot, ...], same_as: Mapping[str, str]
) -> Design:
    """The design of a document, at the slots that are available.

    Args:
        data: JSON data, `{block, placement}`.
        choices: the answers that led to it, hole name -> option.
        available: the free slots of the backbone.
        same_as: see `same_slots`.

    Raises:
        SpecError, PlacementError: it is no valid design.
    """
    document = DesignDocument.parse(data)
    planned = plan_blocks(available, document.placement, document.blocks)
    return Design(Role.TRIAL, "", document, planned, same_as, choices)


def same_slots(available: Sequence[Slot]) -> dict[str, str]:
    """Slot name -> the first slot at which a block does the same."""
    return {slot.name: slot.same_as for slot in available}
