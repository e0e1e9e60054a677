"""Recorded results in place of training, so that samplers and rungs are compared in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from attnspace.errors import StudyError
from attnspace.objective.limits import Costs

__all__ = ["Recorded", "Table"]

OPTIONAL = ("phase",)
COLUMNS = ["design", "seed", "epochs", "outcome", "reason", "history", "params", "flops", "activation_bytes"]


@dataclass(frozen=True)
class Recorded:
    """One training to the end, or up to where it failed."""

    history: list[dict[str, Any]]
    reason: str | None
    costs: Costs | None


class Table:
    """A `trials.parquet`, or several put together: design and seed -> what was recorded.

    Attributes:
        study: the recorded study, as plain data.
        epochs: of a whole training.
        seeds: under which designs were trained.

    Raises:
        StudyError: it cannot be read, or is no such table.
    """

    def __init__(self, path: Path) -> None:
        try:
            table = pq.read_table(path)
            table = table.select(
                [name for name in (*COLUMNS, "phase") if name not in OPTIONAL or name in table.column_names]
            )
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
        self.epochs = int(self.study["train"]["epochs"])
        rows = table.to_pandas()
        if "phase" in rows:
            rows = rows[rows["phase"] == "search"]
        rows = rows[(rows["epochs"] == self.epochs) | (rows["outcome"] == "failed")]
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
        costs = [row[name] for name in ("params", "flops", "activation_bytes")]
        known = not any(pd.isna(cost) for cost in costs)
        return Recorded(json.loads(row["history"]), reason, Costs(*map(int, costs)) if known else None)
