"""The ledger: one row for each evaluation, the record from which everything else is derived.

A row is written in one transaction when a design has reached a rung or the end, before the sampler hears of it.
Nothing else has to survive a crash: the sampler and the rungs are fed from these rows, tables and reports are read from
them. Checkpoints only save time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from attnspace.costs.latency import Latency
from attnspace.errors import RunError, RunFailed

__all__ = ["Evaluation", "Ledger", "timestamp"]

_metadata = sa.MetaData()

_evaluations = sa.Table(
    "evaluations",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("trial", sa.Integer),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("design", sa.String(16), nullable=False),
    sa.Column("recipe", sa.String(16), nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("epochs", sa.Integer, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("placement", sa.Text, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("choices", sa.Text, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("val_accuracy", sa.Float),
    sa.Column("val_loss", sa.Float),
    sa.Column("train_loss", sa.Float),
    sa.Column("test_accuracy", sa.Float),
    sa.Column("test_loss", sa.Float),
    sa.Column("history", sa.Text, nullable=False),
    sa.Column("params", sa.Integer),
    sa.Column("flops", sa.BigInteger),
    sa.Column("activation_bytes", sa.BigInteger),
    sa.Column("latency_ms", sa.Float),
    sa.Column("latency_low_ms", sa.Float),
    sa.Column("latency_high_ms", sa.Float),
    sa.Column("train_s", sa.Float, nullable=False),
    sa.Column("total_s", sa.Float, nullable=False),
    sa.Column("finished", sa.String(32), nullable=False),
    sa.Column("versions", sa.Text, nullable=False),
    sa.Column("worker", sa.String(200), nullable=False),
    sa.UniqueConstraint("design", "recipe", "seed", "epochs"),
)

_sessions = sa.Table(
    "sessions",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("evaluations", sa.Integer, nullable=False),
    sa.Column("training_s", sa.Float, nullable=False),
    sa.Column("total_s", sa.Float, nullable=False),
    sa.Column("finished", sa.String(32), nullable=False),
)

_timings = sa.Table(
    "timings",
    _metadata,
    sa.Column("design", sa.String(16), primary_key=True),
    sa.Column("median_ms", sa.Float, nullable=False),
    sa.Column("low_ms", sa.Float, nullable=False),
    sa.Column("high_ms", sa.Float, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False),
    sa.Column("batch_size", sa.Integer, nullable=False),
    sa.Column("device", sa.String(64), nullable=False),
)
"""Measured latencies, of designs beyond the limits too: measured again they would differ, and so would the search."""

_JSON = ("spec", "choices", "history", "versions")


@dataclass(frozen=True)
class Evaluation:
    """One design, trained once up to a rung or to the end, or why it was not.

    Attributes:
        phase: `search` or `confirm`.
        trial: the number of the trial that began with it; None for what is no trial.
        role: `baseline`, `trial`, or `control` (of a confirmation).
        name: of a baseline or control.
        design: identity of the network.
        recipe: hash of data, backbone and training recipe.
        seed: of this training.
        epochs: how many were trained.
        label, placement: in words.
        spec: `{block, placement}`.
        choices: hole name -> option.
        outcome: `done` at the last epoch, `paused` at a rung, or `failed`.
        reason: why it failed.
        val_accuracy, val_loss, train_loss: of the last epoch trained.
        test_accuracy, test_loss: of a confirmation alone.
        history: one mapping for each epoch from the first.
        params, flops, activation_bytes: of the whole network; the latter two for one sample.
        latency_ms, latency_low_ms, latency_high_ms: median and quartiles, where they were asked for.
        train_s: seconds in the training loop since the rung before; total_s: with building, costing and bookkeeping.
        finished: UTC, ISO 8601.
    """

    phase: str
    trial: int | None
    role: str
    name: str
    design: str
    recipe: str
    seed: int
    epochs: int
    label: str
    placement: str
    spec: dict[str, Any]
    choices: dict[str, Any]
    outcome: str
    reason: str | None
    val_accuracy: float | None
    val_loss: float | None
    train_loss: float | None
    test_accuracy: float | None
    test_loss: float | None
    history: list[dict[str, Any]]
    params: int | None
    flops: int | None
    activation_bytes: int | None
    latency_ms: float | None
    latency_low_ms: float | None
    latency_high_ms: float | None
    train_s: float
    total_s: float
    finished: str
    versions: dict[str, str]
    worker: str

    def metric(self, name: str) -> float | None:
        """The value of an objective's metric."""
        value = getattr(self, name)
        return None if value is None else float(value)

    def metric_after(self, name: str, epochs: int) -> float | None:
        """The value of a metric after so many epochs, or of a cost; None if it was not trained so far."""
        if name in ("val_accuracy", "val_loss") and epochs != self.epochs:
            return float(self.history[epochs - 1][name]) if len(self.history) >= epochs else None
        return self.metric(name)


def timestamp() -> str:
    """Now, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Ledger:
    """The tables of one run, in the SQLite file `path`.

    Raises:
        RunError: it is of an earlier version.
        RunFailed: the file cannot be opened or written, or is no ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
        with self._faults():
            _metadata.create_all(self._engine)
            known = {column["name"] for column in sa.inspect(self._engine).get_columns("evaluations")}
        if missing := [column.name for column in _evaluations.columns if column.name not in known]:
            raise RunError(
                f"is of an earlier version of attnspace: it has no {', '.join(missing)}",
                file=str(path),
                remedy="`attnspace report` reads it; to go on, search anew in another directory",
            )

    def add(self, evaluation: Evaluation) -> None:
        """Write one row, durably."""
        row = asdict(evaluation)
        row |= {name: json.dumps(row[name]) for name in _JSON}
        with self._faults(), self._engine.begin() as connection:
            connection.execute(_evaluations.insert().values(**row))

    def rows(self) -> list[Evaluation]:
        """All evaluations, in the order in which they ended."""
        columns = [_evaluations.c[f.name] for f in fields(Evaluation)]
        with self._faults(), self._engine.connect() as connection:
            found = connection.execute(sa.select(*columns).order_by(_evaluations.c.number)).mappings().all()
        return [Evaluation(**{**row, **{name: json.loads(row[name]) for name in _JSON}}) for row in found]

    def timing(self, design: str) -> Latency | None:
        """The latency that was measured of a design."""
        query = sa.select(*(_timings.c[f.name] for f in fields(Latency))).where(_timings.c.design == design)
        with self._faults(), self._engine.connect() as connection:
            found = connection.execute(query).mappings().first()
        return Latency(**found) if found else None

    def timings(self) -> dict[str, Latency]:
        """Design -> the latency that was measured of it."""
        with self._faults(), self._engine.connect() as connection:
            found = connection.execute(sa.select(_timings)).mappings().all()
        return {row["design"]: Latency(**{f.name: row[f.name] for f in fields(Latency)}) for row in found}

    def add_timing(self, design: str, found: Latency) -> None:
        """Keep a measured latency."""
        with self._faults(), self._engine.begin() as connection:
            connection.execute(_timings.insert().values(design=design, **asdict(found)))

    def add_session(self, *, evaluations: int, training_s: float, total_s: float, finished: str) -> None:
        """Note one sitting of the search: how long it took, and how much of that was training."""
        values = {"evaluations": evaluations, "training_s": training_s, "total_s": total_s, "finished": finished}
        with self._faults(), self._engine.begin() as connection:
            connection.execute(_sessions.insert().values(**values))

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as cause:
            raise RunFailed(
                f"the ledger cannot be used: {cause.orig}",
                file=str(self.path),
                remedy="check free space and permissions; what was finished before is kept",
            ) from cause
