"""The ledger as a file: rows go in and come out alike, and what an earlier version wrote is brought up to date."""

import json
import sqlite3
from dataclasses import replace

import pytest

from attnspace.costs.declaration import DesignCost, Figure, declare, forget
from attnspace.errors import RunError
from attnspace.record.evaluation import Outcome, Phase, Role
from attnspace.record.ledger import Ledger
from attnspace.record.results import load
from attnspace.search.progress import Watcher
from attnspace.search.search import search
from attnspace.study.loading import prepare
from attnspace.workflow import run_study
from tests.made_run import age, made_run
from tests.searching import facts


@pytest.fixture
def made(tmp_path):
    return made_run(tmp_path / "run", trials=4, failed=1, paused=1, confirmed=2)


def columns(path) -> set[str]:
    with sqlite3.connect(path) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(evaluations)")}


def test_a_row_comes_out_as_it_went_in(made, tmp_path):
    rows = Ledger(made / "ledger.db").rows()
    again = Ledger(tmp_path / "again.db")
    for row in rows:
        again.add(row)
    assert again.rows() == rows
    assert {(type(row.phase), type(row.role), type(row.outcome)) for row in rows} == {(Phase, Role, Outcome)}
    assert {row.outcome for row in rows} == {Outcome.DONE, Outcome.PAUSED, Outcome.FAILED}


def test_a_ledger_of_an_earlier_version_is_read_under_the_names_of_today(made):
    before = Ledger(made / "ledger.db").rows()
    age(made)
    assert {"recipe", "versions"} <= columns(made / "ledger.db")
    assert set(load(made).frame["protocol"]) == {"r"}  # tables change nothing
    assert {"recipe", "versions"} <= columns(made / "ledger.db")
    assert Ledger(made / "ledger.db").rows() == before
    assert not {"recipe", "versions"} & columns(made / "ledger.db")


def test_a_ledger_that_is_refused_stays_as_it_is(made):
    age(made)
    ledger = made / "ledger.db"
    with sqlite3.connect(ledger) as connection:
        connection.execute("ALTER TABLE evaluations DROP COLUMN choices")
        connection.execute("DROP TABLE timings")
    before = ledger.read_bytes()
    with pytest.raises(RunError, match=r"ledger\.db: is of an earlier version of attnspace: it has no choices"):
        Ledger(ledger)
    assert ledger.read_bytes() == before


def test_a_search_of_an_earlier_version_goes_on(tiny, write, tmp_path):
    study = prepare(write(tiny))
    whole = run_study(study, tmp_path / "whole")
    tiny["search"]["trials"] = 1
    run_study(write(tiny), tmp_path / "parts")
    age(tmp_path / "parts")
    assert run_study(study, tmp_path / "parts").sitting.evaluations == 2
    kept, now = (Ledger(path / "ledger.db").rows() for path in (whole.path, tmp_path / "parts"))
    assert facts(now) == facts(kept)


def test_a_cost_that_was_declared_later_gets_a_column(tiny, write, tmp_path):
    figure = Figure("modules")
    ledger = Ledger(tmp_path / "ledger.db")
    search(prepare(write(tiny)), ledger, Watcher())
    before = ledger.rows()
    ledger.close()
    count = DesignCost("modules", "modules", lambda s: s.look(lambda m: len([*m.modules()])), figure, figure)
    declare(count)
    try:
        again = Ledger(tmp_path / "ledger.db")
        assert "modules" in columns(tmp_path / "ledger.db")
        assert [row.costs["modules"] for row in again.rows()] == [None] * len(before)
        tiny["search"]["trials"] = 4
        search(prepare(write(tiny)), again, Watcher())
        assert again.rows()[-1].costs["modules"] > 20
    finally:
        forget("modules")


def test_a_ledger_that_lacks_what_cannot_be_made_up_for_is_refused(made):
    with sqlite3.connect(made / "ledger.db") as connection:
        connection.execute("ALTER TABLE evaluations DROP COLUMN label")
    with pytest.raises(RunError, match="is of an earlier version of attnspace: it has no label"):
        Ledger(made / "ledger.db")


def test_metrics_after_earlier_epochs_are_those_of_the_history(made):
    row = next(row for row in Ledger(made / "ledger.db").rows() if row.outcome == Outcome.DONE)
    assert row.metric_after("val_accuracy", 2) == row.history[1]["val_accuracy"]
    assert row.metric_after("val_accuracy", row.epochs) == row.metrics["val_accuracy"]
    assert row.metric_after("params", 1) == row.costs["params"]
    assert row.metric_after("val_accuracy", 99) is None
    assert replace(row, metrics={}).metric("val_accuracy") is None
    assert json.dumps([row.role, row.phase]) == '["baseline", "search"]'
