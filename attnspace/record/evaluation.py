"""One row of a run's record: a design, trained once up to a rung or to the end, or why it was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from attnspace.costs.declaration import DesignCosts
from attnspace.record.answers import Answers

__all__ = ["Evaluation", "JSON_COLUMNS", "Outcome", "Phase", "RENAMED", "Role", "timestamp"]

JSON_COLUMNS = ("spec", "choices", "history", "environment")
"""Columns of the record that hold JSON text."""

RENAMED = {"recipe": "protocol", "versions": "environment"}
"""Column of earlier versions -> what it is called today."""


class Role(StrEnum):
    """What a design is in a study."""

    BASELINE = "baseline"
    """It is evaluated in every study."""
    TRIAL = "trial"
    """It was suggested by the search."""
    CONTROL = "control"
    """It tells a confirmation where a winner's gain comes from."""


class Phase(StrEnum):
    """Whether a design was trained by the search or by a confirmation."""

    SEARCH = "search"
    CONFIRM = "confirm"
    RECIPE = "recipe"
    """By the recipe check of a confirmation, at another learning rate."""


class Outcome(StrEnum):
    """How a training ended."""

    DONE = "done"
    """It reached the last epoch."""
    PAUSED = "paused"
    """It reached a rung, where it waits."""
    FAILED = "failed"
    """It cannot be finished."""


@dataclass(frozen=True)
class Evaluation:
    """One design, trained once up to a rung or to the end, or why it was not.

    Attributes:
        phase: of the search or of a confirmation.
        trial: the number of the trial that began with it; None for what is no trial.
        role: what the design is in the study.
        name: of a baseline or control.
        design: identity of the network.
        protocol: hash of data, backbone and training: two rows of one protocol may be compared.
        seed: of this training.
        epochs: how many were trained.
        label, placement: in words.
        spec: the design's document, `{block, placement}`.
        choices: hole name -> option.
        outcome: how it ended.
        reason: why it failed.
        metrics: name -> value after the last epoch trained, and on the test images in a confirmation.
        history: one mapping for each epoch from the first.
        costs: column -> value, of the whole network.
        train_s: seconds in the training loop since the rung before.
        total_s: seconds with building, costing and bookkeeping.
        finished: UTC, ISO 8601.
        environment: versions of libraries, device, threads, and how steps were taken.
        worker: host and process.
        split: which draw of training and validation images it was trained on; None for the study's own.
        answers: of a confirmed network to the test images, on their way to the record; None in rows that are read.
    """

    phase: Phase
    trial: int | None
    role: Role
    name: str
    design: str
    protocol: str
    seed: int
    epochs: int
    label: str
    placement: str
    spec: dict[str, Any]
    choices: dict[str, Any]
    outcome: Outcome
    reason: str | None
    metrics: Mapping[str, float | None]
    history: list[dict[str, Any]]
    costs: DesignCosts
    train_s: float
    total_s: float
    finished: str
    environment: dict[str, str]
    worker: str
    split: int | None = None
    answers: Answers | None = field(default=None, compare=False, repr=False)

    def metric(self, name: str) -> float | None:
        """The value of a metric or of a cost; None if it is not known."""
        value = self.metrics.get(name, self.costs.get(name))
        return None if value is None else float(value)

    def metric_after(self, name: str, epochs: int) -> float | None:
        """The value of a metric after so many epochs, or of a cost; None if it was not trained so far."""
        if name in self.metrics and epochs != self.epochs:
            return float(self.history[epochs - 1][name]) if len(self.history) >= epochs else None
        return self.metric(name)


def timestamp() -> str:
    """The present time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
