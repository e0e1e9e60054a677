"""A run's ledger as tables: reads nothing but the run directory, so that old results stay readable."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from attnspace.documents import read, write_bytes, write_text
from attnspace.errors import RunError

__all__ = ["Results", "frame", "load", "write_tables"]

_JSON = ("spec", "choices", "history", "versions")


@dataclass(frozen=True)
class Results:
    """One run.

    Attributes:
        path: the run directory.
        study: the study file, as plain data.
        frame: see `frame`.
    """

    path: Path
    study: Mapping[str, Any]
    frame: pd.DataFrame

    @property
    def metric(self) -> str:
        """The metric that the search optimised."""
        objective = self.study["objective"]
        return str(objective.get("maximize") or objective.get("minimize"))

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way is better."""
        return "maximize" if self.study["objective"].get("maximize") else "minimize"

    def ranked(self) -> pd.DataFrame:
        """Finished evaluations, the best first; ties go to the smaller network, then to the earlier one."""
        done = self.frame[self.frame["outcome"] == "done"]
        ascending = [self.direction == "minimize", True, True]
        return done.sort_values([self.metric, "params", "number"], ascending=ascending, kind="stable")

    def winner(self) -> pd.Series[Any] | None:
        """The best trial; None while there is none."""
        trials = self.ranked().query("role == 'trial'")
        return None if trials.empty else trials.iloc[0]


def frame(run: str | Path) -> pd.DataFrame:
    """One row for each evaluation of a run, in the order in which they ended.

    Columns:
        number, role (`baseline` or `trial`), name, label, placement, outcome (`done` or `failed`), reason
        val_accuracy, val_loss, train_loss: of the last epoch
        params, flops: of the network; params_added, flops_added: against the plain backbone
        seed, epochs, train_s, total_s, finished
        design, recipe: identities
        spec (`{block, placement}`), choices (hole -> option), history (one mapping an epoch), versions: Python objects
        worker

    Raises:
        RunError: no such run.
    """
    return load(run).frame


def load(run: str | Path) -> Results:
    """A run's study and table.

    Raises:
        RunError: no such run, or its files are damaged.
    """
    path = Path(run)
    ledger, study_file = path / "ledger.db", path / "study.yaml"
    for file in (ledger, study_file):
        if not file.is_file():
            raise RunError(
                f"is no run: it has no {file.name}", file=str(path), allowed="a directory that `search` wrote"
            )
    study = read(study_file, RunError).data
    if not isinstance(study, Mapping) or not {"name", "objective"} <= study.keys():
        raise RunError("is no study", file=str(study_file), remedy="restore it, or search again elsewhere")
    try:
        with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            table = pd.read_sql_query("SELECT * FROM evaluations ORDER BY number", connection)
        for column in _JSON:
            table[column] = pd.Series(map(json.loads, table[column]), index=table.index, dtype=object)
    except (sqlite3.Error, pd.errors.DatabaseError, KeyError, TypeError, ValueError) as cause:
        raise RunError(f"is damaged: {cause}", file=str(path), remedy="restore it, or search again elsewhere") from None
    plain = table[(table["name"] == "none") & (table["outcome"] == "done")]
    for column in ("params", "flops"):
        table[f"{column}_added"] = table[column] - (plain[column].iloc[0] if len(plain) else float("nan"))
    return Results(path, study, table)


def write_tables(results: Results) -> list[Path]:
    """Write `trials.parquet` and, once there is a winner, `winner.json` into the run directory.

    In the parquet file spec, choices, history and versions are JSON text.

    Returns:
        the files written.

    Raises:
        RunFailed: the directory cannot be written.
    """
    flat = results.frame.copy()
    for column in _JSON:
        flat[column] = flat[column].map(json.dumps)
    parquet, winner_file = results.path / "trials.parquet", results.path / "winner.json"
    write_bytes(parquet, flat.to_parquet(index=False))
    winner = results.winner()
    if winner is None:
        return [parquet]
    write_text(winner_file, json.dumps(winner_data(results, winner), indent=2, ensure_ascii=False) + "\n")
    return [parquet, winner_file]


def winner_data(results: Results, winner: pd.Series[Any]) -> dict[str, Any]:
    """The content of `winner.json`: the design, as it may stand in a study's space, and what it reached."""
    reached = f"{results.metric} {winner[results.metric]:.4f} after {winner['epochs']} epochs, seed {winner['seed']}"
    return {
        "name": f"{results.study['name']}-winner",
        "doc": f"{winner['label']} at {winner['placement']}: {reached}, the best of the search, not yet confirmed",
        "placement": winner["spec"]["placement"],
        "block": winner["spec"]["block"],
    }
