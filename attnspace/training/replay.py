"""replay: recorded results in place of training, so that samplers and rungs are compared in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from attnspace.costs.declaration import DesignCosts
from attnspace.costs.measured import cost_columns, declared
from attnspace.data.external import without_images
from attnspace.data.split import Dataset
from attnspace.errors import StudyError, TrainingFailed, within
from attnspace.record.evaluation import Outcome, Phase
from attnspace.training.epoch import Epoch
from attnspace.training.method import Assignment, Method, Run, Setting, Workplace, method_for
from attnspace.training.train import Train

__all__ = ["Recorded", "Replay", "ReplayMethod", "ReplayRun", "Table"]


class Replay(Train):
    """Looks results up in a recorded table, instead of training: `trials.parquet` of finished runs.

    Data and backbone must be those of the recorded study, and so are the epochs. The images need not be there.
    """

    can_confirm = False

    kind: Literal["replay"] = "replay"
    table: Annotated[str, Field(min_length=1, description="A parquet file, seen from the study's folder.")]


COLUMNS = ("design", "seed", "epochs", "outcome", "reason", "history")


@dataclass(frozen=True)
class Recorded:
    """A recorded training: its epochs to the end, or up to where it failed, and the costs of its design."""

    history: list[dict[str, Any]]
    reason: str | None
    costs: DesignCosts | None


class Table:
    """A `trials.parquet`, or several put together: design and seed -> what was recorded.

    Attributes:
        study: the recorded study, as plain data.
        images: `classes`, `shape`, `fingerprint` and more of its images; empty in tables of earlier versions.
        epochs: of a whole training.
        seeds: under which designs were trained.

    Raises:
        StudyError: it cannot be read, or is no such table.
    """

    def __init__(self, path: Path) -> None:
        try:
            table = pq.read_table(path)
            optional = [name for name in ("phase", *cost_columns()) if name in table.column_names]
            table = table.select([*COLUMNS, *optional])
        except (OSError, KeyError, pa.ArrowException) as cause:
            raise StudyError(
                f"cannot be read: {cause}", got=str(path), allowed="the trials.parquet of a finished run"
            ) from None
        about = (table.schema.metadata or {}).get(b"attnspace.study")
        if about is None:
            raise StudyError("does not say which study it is of", got=str(path), remedy="write it with `report RUN`")
        self.study: Mapping[str, Any] = json.loads(about)
        if "epochs" not in self.study["train"]:
            raise StudyError("was itself looked up", got=str(path), remedy="name the table that it was looked up in")
        self.images: Mapping[str, Any] = json.loads((table.schema.metadata or {}).get(b"attnspace.images", b"{}"))
        self.epochs = int(self.study["train"]["epochs"])
        rows = table.to_pandas()
        if "phase" in rows:
            rows = rows[rows["phase"] == Phase.SEARCH]
        rows = rows[(rows["epochs"] == self.epochs) | (rows["outcome"] == Outcome.FAILED)]
        self.seeds: tuple[int, ...] = tuple(sorted(int(seed) for seed in rows["seed"].unique()))
        self._rows = dict(zip(zip(rows["design"], rows["seed"], strict=True), rows.to_dict("records"), strict=True))

    def __len__(self) -> int:
        return len(self._rows)

    def designs(self) -> set[str]:
        """The identities of all designs in it."""
        return {design for design, _ in self._rows}

    def find(self, design: str, seed: int) -> Recorded | None:
        """What was recorded of a design under a seed."""
        row = self._rows.get((design, seed))
        if row is None:
            return None
        reason = None if pd.isna(row["reason"]) else str(row["reason"])
        return Recorded(json.loads(row["history"]), reason, _costs(row))

    def lacks(self, cost: str) -> bool:
        """Whether the table lacks a cost: it was not recorded, or is a time, which would not be the same here."""
        return declared()[cost].timed or not any(row.get(cost) is not None for row in self._rows.values())


def _costs(row: Mapping[str, Any]) -> DesignCosts | None:
    """The recorded costs of a row; None if one that is no time is missing."""
    found: dict[str, float | None] = {}
    for column, cost in cost_columns().items():
        value = None if cost.timed or pd.isna(row.get(column)) else row[column]
        if value is None and not cost.timed:
            return None
        found[column] = None if value is None else int(value) if cost.whole else float(value)
    return found


@dataclass
class ReplayRun(Run):
    """A training that was recorded."""

    recorded: Recorded = field(kw_only=True)

    def run(self, until: int, on_epoch: Callable[[Epoch], None]) -> None:
        self.history = [Epoch.from_dict(epoch) for epoch in self.recorded.history[:until]]
        if len(self.history) < until:
            raise TrainingFailed(self.recorded.reason or f"recorded for {len(self.history)} epochs only")


@method_for(Replay)
class ReplayMethod(Method):
    """Looks every design up in a table."""

    is_lookup = True

    def __init__(self, section: Replay, setting: Setting) -> None:
        with within("table"):
            self.table = Table(setting.folder / section.table)
            _check_same(self.table, setting)
        self.epochs, self.seeds = self.table.epochs, len(self.table.seeds)

    def protocol(self) -> Any:
        return self.table.study["train"]

    def images(self) -> Dataset | None:
        about = self.table.images
        if "shape" not in about:
            return None
        channels, height, width = about["shape"]
        return without_images((channels, height, width), tuple(about["classes"]), about["fingerprint"])

    def begin(self, assignment: Assignment, place: Workplace, state: Mapping[str, Any] | None) -> Run:
        found = self.table.find(assignment.design, assignment.seed)
        if found is None:
            raise LookupError(f"the table has no design {assignment.design} with seed {assignment.seed}")
        return ReplayRun(recorded=found)

    def seed(self, number: int) -> int:
        return self.table.seeds[number % len(self.table.seeds)]

    def holds(self, design: str, seed: int) -> bool:
        return self.table.find(design, seed) is not None

    def costs(self, design: str) -> DesignCosts | None:
        recorded = self.table.find(design, self.table.seeds[0])
        return recorded.costs if recorded else None

    def lacks(self, cost: str) -> bool:
        return self.table.lacks(cost)

    def summary(self) -> str | None:
        return f"a table of {len(self.table.designs())} designs under {len(self.table.seeds)} seeds to look up"


def _check_same(table: Table, setting: Setting) -> None:
    """Check that data and backbone are those of the recorded study.

    Raises:
        StudyError: they are others.
    """
    for part in ("data", "backbone"):
        here = setting.study[part]
        recorded = setting.written_out({**setting.study, part: table.study[part]})[part]
        if _wherever(here) != _wherever(recorded):
            raise StudyError(
                f"was recorded with another {part}", got=here, allowed=str(table.study[part]), remedy="copy it here"
            )


def _wherever(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section without the folders in which its images or its code lie."""
    return {key: Path(value).name if key == "import" else value for key, value in section.items() if key != "path"}
