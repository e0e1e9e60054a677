"""A run's ledger as tables: reads nothing but the run directory, so that old results stay readable."""

from __future__ import annotations

import io
import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_integer_dtype

from attnspace.costs.measured import cost_columns, declared
from attnspace.documents.reading import read
from attnspace.documents.validation import some_of
from attnspace.documents.writing import write_bytes
from attnspace.errors import RunError
from attnspace.objective.metrics import METRICS, Direction, metrics_of
from attnspace.record.answers import unpacked
from attnspace.record.database import reading
from attnspace.record.estimated import estimated
from attnspace.record.evaluation import JSON_COLUMNS, RENAMED, Outcome, Phase, Role
from attnspace.record.kept import (
    LEDGER_FILE,
    TABLE_FILE,
    is_kept,
    kept_images,
    kept_plan,
    kept_right,
    metadata,
    read_kept,
)
from attnspace.record.plan import ConfirmationPlan

__all__ = ["DATA_FILE", "Results", "load", "write_table"]

_ADDED: dict[str, Any] = {"phase": Phase.SEARCH.value, "trial": None, "split": None}
"""Columns that ledgers of earlier versions do not have, besides metrics and costs."""


PLAIN = "none"
"""The baseline without attention, which costs are compared with."""


DATA_FILE = "data.json"
"""The file of a run directory that says which images it was searched on."""


@dataclass(frozen=True)
class Results:
    """The results of one run.

    Attributes:
        path: the run directory.
        study: the study file, as plain data.
        frame: the table that `attnspace.frame` describes, without `handed_over`.
        plan: of the confirmation; None where there is none, or an earlier version made it.
    """

    path: Path
    study: Mapping[str, Any]
    frame: pd.DataFrame
    plan: ConfirmationPlan | None = None

    @property
    def goals(self) -> dict[str, Direction]:
        """Metric -> which way is better, of every objective.

        Raises:
            RunError: one of them is declared in a module that was not imported.
        """
        found: dict[str, Direction] = {}
        directions: tuple[Direction, ...] = ("maximize", "minimize")
        for direction in directions:
            metrics = self.study["objective"].get(direction) or ()
            for metric in (metrics,) if isinstance(metrics, str) else metrics:
                found[str(metric)] = direction
        if unknown := [metric for metric in found if metric not in METRICS and metric not in declared()]:
            raise RunError(
                f"is ranked by {unknown[0]}, which is not declared here",
                file=str(self.path),
                allowed="metrics and costs of attnspace, and of modules that were imported",
                remedy="import the module that declares it first, as CONTRIBUTING.md shows",
            )
        return found

    @property
    def metric(self) -> str:
        """The metric that ranks: the first one that training finds out."""
        return next(metric for metric in self.goals if metric not in declared())

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        return self.goals[self.metric]

    @property
    def searched(self) -> pd.DataFrame:
        """The rows of the search, without those of a confirmation."""
        return self.frame[self.frame["phase"] == Phase.SEARCH]

    def ranked(self) -> pd.DataFrame:
        """Designs that the search trained to the end, the best first; ties go to the smaller network, then the earlier.

        One row each: metrics are means over its `seeds`, `train_s` is the time of all its rows. The best is the one
        with the best `estimate` of the metric's mean over seeds. Its 95% interval goes from `estimate_low` to
        `estimate_high`, which are NaN while no design has several seeds. Trials are drawn together by as much as luck
        drove them apart, baselines are not. Designs that failed under one of their seeds are left out.
        """
        rows = self.searched
        failed = rows.loc[rows["outcome"] == Outcome.FAILED, "design"]
        done = rows[(rows["outcome"] == Outcome.DONE) & ~rows["design"].isin(failed)]
        by_design = done.groupby("design", sort=False)
        table = by_design.head(1).set_index("design", drop=False)
        for column in metrics_of("val", "train"):
            table[column] = by_design[column].mean()
        table["seeds"] = by_design.size()
        table["train_s"] = rows.groupby("design")["train_s"].sum().reindex(table.index)
        table = table.join(estimated(done, self.metric, self.direction))
        ascending = [self.direction == "minimize", True, True]
        table = table.sort_values(["estimate", "params", "number"], ascending=ascending, kind="stable")
        return table.reset_index(drop=True)

    def confirmed(self) -> pd.DataFrame:
        """The rows of the confirmation."""
        return self.frame[self.frame["phase"] == Phase.CONFIRM]

    def right(self) -> dict[tuple[str, int], np.ndarray]:
        """Design and seed of a confirmed network -> whether its answer to each test image was right; empty where the
        run has kept no answers.

        Raises:
            RunError: they are damaged.
        """
        ledger = self.path / LEDGER_FILE
        if is_kept(self.path):
            return kept_right(self.path)
        if not ledger.is_file():
            return {}
        query = "SELECT design, seed, predicted, labels FROM answers JOIN test_labels USING (protocol)"
        try:
            with reading(ledger) as connection:
                if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone() is None:
                    return {}
                return {
                    (design, seed): unpacked(predicted) == unpacked(labels)
                    for design, seed, predicted, labels in connection.execute(query)
                }
        except (sqlite3.Error, ValueError, zlib.error) as cause:
            raise RunError(f"is damaged: {cause}", file=str(ledger), remedy="confirm again elsewhere") from None

    def images(self) -> Mapping[str, Any]:
        """The `classes` and the `shape` of the images, `counts` of each class in each split, and `notes`; empty for
        runs of earlier versions.

        Raises:
            RunError: the file is damaged.
        """
        file = self.path / DATA_FILE
        if is_kept(self.path):
            return kept_images(self.path)
        found = read(file, RunError).data if file.is_file() else {}
        if found and not (isinstance(found, Mapping) and {"classes", "counts", "notes"} <= found.keys()):
            raise RunError("does not say which images there are", file=str(file), remedy="search again elsewhere")
        return found

    def winner(self) -> pd.Series[Any] | None:
        """The best trial; None while there is none."""
        ranked = self.ranked()
        trials = ranked[ranked["role"] == Role.TRIAL]
        return None if trials.empty else trials.iloc[0]


def load(run: str | Path) -> Results:
    """A run's study and table, also of a folder that keeps `trials.parquet` alone.

    Raises:
        RunError: no such run, or its files are damaged.
    """
    path = Path(run)
    if is_kept(path):
        (study, table), plan = read_kept(path), kept_plan(path)
    else:
        study = _study_of(path)
        table, plan = _table_of(path / LEDGER_FILE)
    if not isinstance(study, Mapping) or not {"name", "objective"} <= study.keys():
        file = path / (TABLE_FILE if is_kept(path) else "study.yaml")
        raise RunError("is no study", file=str(file), remedy="restore it, or search again elsewhere")
    table = table.rename(columns=RENAMED)
    try:
        for column in JSON_COLUMNS:
            table[column] = pd.Series(map(json.loads, table[column]), index=table.index, dtype=object)
    except (KeyError, TypeError, ValueError) as cause:
        raise _damaged(path, cause) from None
    for column, value in (_ADDED | dict.fromkeys((*METRICS, *cost_columns()))).items():
        if column not in table:
            table[column] = value
    try:
        for column, known in (("phase", Phase), ("role", Role), ("outcome", Outcome)):
            for found in table[column].unique():
                known(found)
    except (KeyError, ValueError) as cause:
        raise _damaged(path, cause) from None
    for column in (*METRICS, *cost_columns()):
        if table[column].isna().any() or not is_integer_dtype(table[column]):
            table[column] = table[column].astype(float)
    plain = table[(table["name"] == PLAIN) & (table["outcome"] == Outcome.DONE)]
    for cost in declared().values():
        if not cost.timed:
            base = plain[cost.name].iloc[0] if len(plain) else float("nan")
            table[f"{cost.name}_added"] = table[cost.name] - base
    return Results(path, study, table, plan)


def _runs_near(run: Path) -> str | None:
    """Which runs may be meant, in words; None if there are none near."""
    if run.suffix in (".yaml", ".yml"):
        return "give the directory of the study's run, runs/NAME unless --run said another"
    places = dict.fromkeys(place for place in (run, run.parent, Path("runs")) if place.is_dir())
    found = [str(file.parent) for place in places for file in sorted(place.glob(f"*/{LEDGER_FILE}"))]
    return f"there is {some_of(list(dict.fromkeys(found)))}" if found else None


def _study_of(run: Path) -> Any:
    """The content of the study file of a run directory.

    Raises:
        RunError: it is no run directory.
    """
    for file in (run / LEDGER_FILE, run / "study.yaml"):
        if not file.is_file():
            raise RunError(
                f"is no run: it has no {file.name}",
                file=str(run),
                allowed=f"a directory that `search` wrote, or one with its {TABLE_FILE}",
                remedy=_runs_near(run),
            )
    return read(run / "study.yaml", RunError).data


def _table_of(ledger: Path) -> tuple[pd.DataFrame, ConfirmationPlan | None]:
    """The evaluations of a ledger, and the plan of its confirmation.

    Raises:
        RunError: it is damaged.
    """
    try:
        with reading(ledger) as connection:
            return pd.read_sql_query("SELECT * FROM evaluations ORDER BY number", connection), _plan(connection)
    except (sqlite3.Error, pd.errors.DatabaseError, KeyError, TypeError, ValueError) as cause:
        raise _damaged(ledger.parent, cause) from None


def _damaged(run: Path, cause: Exception) -> RunError:
    return RunError(f"is damaged: {cause}", file=str(run), remedy="restore it, or search again elsewhere")


def _plan(connection: sqlite3.Connection) -> ConfirmationPlan | None:
    """The plan of a confirmation that is in force, if the ledger has one."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'plans'").fetchone() is None:
        return None
    found = connection.execute("SELECT plan FROM plans ORDER BY number DESC LIMIT 1").fetchone()
    return None if found is None else ConfirmationPlan.from_json(found[0])


def write_table(results: Results) -> Path:
    """Write `trials.parquet` into the run directory, and return its path.

    In the parquet file spec, choices, history and environment are JSON text. Where it is all that is kept of a run, it
    stays as it is.

    Raises:
        RunFailed: the directory cannot be written.
    """
    path = results.path / TABLE_FILE
    if not is_kept(results.path):
        flat = results.frame.copy()
        for column in JSON_COLUMNS:
            flat[column] = flat[column].map(json.dumps)
        write_bytes(path, write_parquet(flat, results.study, results.images(), results.plan, results.right()))
    return path


def write_parquet(
    table: pd.DataFrame,
    study: Mapping[str, Any],
    images: Mapping[str, Any],
    plan: ConfirmationPlan | None = None,
    right: Mapping[tuple[str, int], np.ndarray] | None = None,
) -> bytes:
    """The table, saying which study it is of, what its images are, how it was confirmed, and which answers to test
    images were right, so that it can be read alone, and replayed without images.
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({**arrow.schema.metadata, **metadata(study, images, plan, right)})
    content = io.BytesIO()
    pq.write_table(arrow, content, compression="zstd")
    return content.getvalue()
