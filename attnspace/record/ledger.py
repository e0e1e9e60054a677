"""The ledger: one row for each evaluation, the record from which everything else is derived.

A row is written in one transaction when a design has reached a rung or the end, before the sampler hears of it.
Nothing else has to survive a crash: the sampler and the rungs are fed from these rows, tables and reports are read from
them. Checkpoints only save time.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from attnspace.costs.latency import Latency
from attnspace.costs.measured import cost_columns
from attnspace.errors import RunError, RunFailed
from attnspace.objective.metrics import METRICS
from attnspace.record.answers import Answers, packed
from attnspace.record.database import Database, reading
from attnspace.record.evaluation import JSON_COLUMNS, RENAMED, Evaluation, Outcome, Phase, Role, timestamp
from attnspace.record.plan import ConfirmationPlan

__all__ = ["Ledger", "Mark", "is_begun", "opened_copy"]


class Mark(NamedTuple):
    """A training that is under way: no other has the same design, protocol, seed and last epoch."""

    design: str
    protocol: str
    seed: int
    epochs: int


_FIELDS = tuple(field.name for field in fields(Evaluation) if field.name not in ("metrics", "costs", "answers"))
"""Columns that are fields of an evaluation; metrics and costs have a column for each that is declared."""


def _evaluation_table(metadata: sa.MetaData) -> sa.Table:
    """The table of evaluations, with a column for each declared metric and cost."""
    return sa.Table(
        "evaluations",
        metadata,
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("trial", sa.Integer),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("design", sa.String(16), nullable=False),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("epochs", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("placement", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("choices", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        *(sa.Column(name, sa.Float) for name in METRICS),
        sa.Column("history", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger if cost.whole else sa.Float) for name, cost in cost_columns().items()),
        sa.Column("train_s", sa.Float, nullable=False),
        sa.Column("total_s", sa.Float, nullable=False),
        sa.Column("finished", sa.String(32), nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("split", sa.Integer),
        sa.UniqueConstraint("design", "protocol", "seed", "epochs"),
    )


def _timing_table(metadata: sa.MetaData) -> sa.Table:
    """Measured latencies, of designs beyond the limits too: measured again they would differ, as would the search."""
    return sa.Table(
        "timings",
        metadata,
        sa.Column("design", sa.String(16), primary_key=True),
        sa.Column("median_ms", sa.Float, nullable=False),
        sa.Column("low_ms", sa.Float, nullable=False),
        sa.Column("high_ms", sa.Float, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
    )


def _answer_tables(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table]:
    """The answers of confirmed networks to the test images, and what is right."""
    answers = sa.Table(
        "answers",
        metadata,
        sa.Column("design", sa.String(16), primary_key=True),
        sa.Column("protocol", sa.String(16), primary_key=True),
        sa.Column("seed", sa.Integer, primary_key=True),
        sa.Column("predicted", sa.LargeBinary, nullable=False),
    )
    labels = sa.Table(
        "test_labels",
        metadata,
        sa.Column("protocol", sa.String(16), primary_key=True),
        sa.Column("labels", sa.LargeBinary, nullable=False),
    )
    return answers, labels


def _plan_table(metadata: sa.MetaData) -> sa.Table:
    """Plans of confirmations; the last one is in force."""
    return sa.Table(
        "plans",
        metadata,
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("begun", sa.String(32), nullable=False),
    )


def _mark_table(metadata: sa.MetaData) -> sa.Table:
    """What is being trained. A mark of a process that has ended tells what it was at when it was killed."""
    return sa.Table(
        "under_way",
        metadata,
        sa.Column("design", sa.String(16), primary_key=True),
        sa.Column("protocol", sa.String(16), primary_key=True),
        sa.Column("seed", sa.Integer, primary_key=True),
        sa.Column("epochs", sa.Integer, primary_key=True),
        sa.Column("begun", sa.String(32), nullable=False),
    )


class Ledger:
    """The tables of one run, in the SQLite file `path`.

    Args:
        path: the file.
        note: hears, once for each time, that something cannot be written yet.

    Raises:
        RunError: it is of an earlier version.
        RunFailed: the file cannot be opened or written, or is no ledger.
    """

    def __init__(self, path: Path, note: Callable[[str], None] = lambda text: None) -> None:
        self.path = path
        self._database = Database(path, note)
        self._metrics, self._costs = list(METRICS), list(cost_columns())
        self._metadata = metadata = sa.MetaData()
        self._evaluations, self._timings = _evaluation_table(metadata), _timing_table(metadata)
        self._plans, self._marks = _plan_table(metadata), _mark_table(metadata)
        self._answers, self._labels = _answer_tables(metadata)
        self._database.begin(self._make)

    def _make(self, connection: sa.Connection) -> None:
        """Make the tables that there are not yet."""
        if sa.inspect(connection).has_table("evaluations"):
            self._bring_up_to_date(connection)
        self._metadata.create_all(connection)

    def _bring_up_to_date(self, connection: sa.Connection) -> None:
        """Give columns of earlier versions the names of today, and add those of metrics and costs that are new.

        Raises:
            RunError: it has no columns for what cannot be made up for; then it stays as it is.
        """
        found = {column["name"] for column in sa.inspect(connection).get_columns("evaluations")}
        renamed = {before: now for before, now in RENAMED.items() if before in found and now not in found}
        known = {renamed.get(name, name) for name in found}
        new = [column for column in self._evaluations.columns if column.name not in known]
        missing = [column.name for column in new if column.name not in (*self._metrics, *self._costs, "split")]
        if missing:
            raise RunError(
                f"is of an earlier version of attnspace: it has no {', '.join(missing)}",
                file=str(self.path),
                remedy="`attnspace report` reads it; to go on, search anew in another directory",
            )
        for before, now in renamed.items():
            connection.execute(sa.text(f"ALTER TABLE evaluations RENAME COLUMN {before} TO {now}"))
        for column in new:
            kind = column.type.compile(connection.dialect)
            connection.execute(sa.text(f'ALTER TABLE evaluations ADD COLUMN "{column.name}" {kind}'))

    def add(self, evaluation: Evaluation) -> None:
        """Write one row, durably; it is under way no more."""
        row = {name: getattr(evaluation, name) for name in _FIELDS}
        row |= {name: json.dumps(row[name]) for name in JSON_COLUMNS}
        row |= {name: evaluation.metrics.get(name) for name in self._metrics}
        row |= {name: evaluation.costs.get(name) for name in self._costs}

        def write(connection: sa.Connection) -> None:
            connection.execute(self._evaluations.insert(), row)
            if evaluation.answers is not None:
                self._add_answers(connection, evaluation, evaluation.answers)
            ended = (self._marks.c[name] == row[name] for name in Mark._fields)
            connection.execute(self._marks.delete().where(*ended))

        self._database.write(write)

    def _add_answers(self, connection: sa.Connection, evaluation: Evaluation, found: Answers) -> None:
        keys = {name: getattr(evaluation, name) for name in ("design", "protocol", "seed")}
        connection.execute(self._answers.insert(), {**keys, "predicted": packed(found.predicted)})
        of_protocol = self._labels.c.protocol == evaluation.protocol
        if connection.execute(sa.select(self._labels.c.protocol).where(of_protocol)).first() is None:
            connection.execute(self._labels.insert(), {"protocol": evaluation.protocol, "labels": packed(found.labels)})

    def rows(self) -> list[Evaluation]:
        """All evaluations, in the order in which they ended.

        Raises:
            RunError: a row is damaged.
            RunFailed: the file cannot be read.
        """
        with self._database.read() as connection:
            found = connection.execute(sa.select(self._evaluations).order_by(self._evaluations.c.number))
            return [self._evaluation(dict(row)) for row in found.mappings()]

    def _evaluation(self, row: Mapping[str, Any]) -> Evaluation:
        values = {name: row[name] for name in _FIELDS}
        try:
            values |= {name: json.loads(row[name]) for name in JSON_COLUMNS}
            values |= {"phase": Phase(row["phase"]), "role": Role(row["role"]), "outcome": Outcome(row["outcome"])}
        except (TypeError, ValueError) as cause:
            raise RunError(
                f"is damaged: its evaluation {row['number']} cannot be read: {cause}",
                file=str(self.path),
                remedy="restore it, or search again elsewhere",
            ) from None
        return Evaluation(
            **values,
            metrics={name: row[name] for name in self._metrics},
            costs={name: row[name] for name in self._costs},
        )

    def mark(self, mark: Mark) -> None:
        """Take note that a training begins."""
        row = {**mark._asdict(), "begun": timestamp()}
        self._database.write(
            lambda connection: _execute(connection, self._marks.insert().prefix_with("OR REPLACE"), row)
        )

    def marks(self) -> set[Mark]:
        """The trainings that have begun and not ended."""
        with self._database.read() as connection:
            return {Mark(*row[:4]) for row in connection.execute(sa.select(self._marks))}

    def unmark(self, marks: Iterable[Mark]) -> None:
        """Take note that trainings are not under way. Where that cannot be written it is left: it costs time alone."""

        def delete(connection: sa.Connection) -> None:
            for mark in marks:
                ended = (self._marks.c[name] == value for name, value in mark._asdict().items())
                connection.execute(self._marks.delete().where(*ended))

        with suppress(RunFailed):
            self._database.write(delete, patience_s=0)

    def timing(self, design: str) -> Latency | None:
        """The latency that was measured of a design."""
        query = sa.select(*(self._timings.c[f.name] for f in fields(Latency))).where(self._timings.c.design == design)
        with self._database.read() as connection:
            found = connection.execute(query).mappings().first()
        return Latency(**found) if found else None

    def timings(self) -> dict[str, Latency]:
        """Design -> the latency that was measured of it."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(self._timings)).mappings().all()
        return {row["design"]: Latency(**{f.name: row[f.name] for f in fields(Latency)}) for row in found}

    def add_timing(self, design: str, found: Latency) -> None:
        """Keep a measured latency."""
        row = self._timings.insert().values(design=design, **asdict(found))
        self._database.write(lambda connection: _execute(connection, row))

    def plans(self) -> list[ConfirmationPlan]:
        """The plans of confirmations, in the order in which they were made; the last one is in force."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(self._plans.c.plan).order_by(self._plans.c.number)).scalars().all()
        return [ConfirmationPlan.from_json(text) for text in found]

    def add_plan(self, plan: ConfirmationPlan) -> None:
        """Put a plan into force."""
        row = self._plans.insert().values(plan=plan.to_json(), begun=timestamp())
        self._database.write(lambda connection: _execute(connection, row))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _execute(connection: sa.Connection, statement: sa.Executable, row: Mapping[str, Any] | None = None) -> None:
    connection.execute(statement, row)


def is_begun(path: Path) -> bool:
    """Whether there is a ledger with an evaluation in it, or a file that cannot be looked into."""
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return False
    try:
        with reading(path) as connection:
            return connection.execute("SELECT 1 FROM evaluations LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        return True


@contextmanager
def opened_copy(path: Path) -> Iterator[Ledger]:
    """Open a copy of a ledger, so that one of an earlier version, or one that is never written again, stays as it is.

    Raises:
        RunError: it is damaged, or of an earlier version.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        try:
            with reading(path) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
        except sqlite3.Error as cause:
            remedy = "restore it, or search again elsewhere"
            raise RunError(f"is damaged: {cause}", file=str(path), remedy=remedy) from None
        try:
            ledger = Ledger(copy)
        except RunError as error:
            error.file = str(path)
            raise
        try:
            yield ledger
        finally:
            ledger.close()
