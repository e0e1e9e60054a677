"""The ledger's file: readers hold nobody up, what cannot be written is tried again, and a file that went is noticed."""

import sqlite3
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from attnspace.errors import RunError, RunFailed
from attnspace.record import database
from attnspace.record.database import Database
from attnspace.record.ledger import Ledger
from attnspace.record.results import load
from attnspace.search.progress import Watcher
from attnspace.workflow import run_study
from tests.made_run import made_run


@pytest.fixture
def made(tmp_path):
    return made_run(tmp_path / "run", trials=4, failed=1, paused=1)


@pytest.fixture
def impatient(monkeypatch):
    """A lock is waited for a second at most."""
    monkeypatch.setattr(database, "PATIENCE_S", 1.0)
    monkeypatch.setattr(database, "LOCKED_S", 0.05)


def rows_and(made, said=None):
    rows = Ledger(made / "ledger.db").rows()
    return rows, Ledger(made.parent / "copy.db", said.append if said is not None else lambda text: None)


def test_a_reader_in_a_transaction_holds_nobody_up(made, tmp_path, impatient):
    rows, ledger = rows_and(made)
    ledger.add(rows[0])
    with sqlite3.connect(tmp_path / "copy.db") as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT COUNT(*) FROM evaluations").fetchone() == (1,)
        ledger.add(rows[1])
        assert reader.execute("SELECT COUNT(*) FROM evaluations").fetchone() == (1,)
        reader.rollback()
        assert reader.execute("SELECT COUNT(*) FROM evaluations").fetchone() == (2,)


def test_a_row_waits_until_another_writer_has_ended_and_is_written_once(made, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "LOCKED_S", 0.05)
    said = []
    rows = Ledger(made / "ledger.db").rows()
    ledger = Ledger(tmp_path / "copy.db", lambda text: (said.append(text), writer.rollback()))
    writer = sqlite3.connect(tmp_path / "copy.db")
    writer.execute("BEGIN IMMEDIATE")
    ledger.add(rows[0])
    assert [row.design for row in ledger.rows()] == [rows[0].design]
    assert len(said) == 1
    assert "cannot be written yet: database is locked; trying again for 10 minutes" in said[0]


def test_patience_ends(made, tmp_path, impatient):
    rows, ledger = rows_and(made)
    with sqlite3.connect(tmp_path / "copy.db") as writer:
        writer.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(RunFailed, match=r"the ledger cannot be used: database is locked"):
            ledger.add(rows[0])
        assert time.monotonic() - began >= 1
        writer.rollback()


def test_a_row_that_breaks_another_rule_is_not_taken_for_written(made, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "LOCKED_S", 0.05)
    rows = Ledger(made / "ledger.db").rows()
    ledger = Ledger(tmp_path / "copy.db", lambda text: writer.rollback())
    writer = sqlite3.connect(tmp_path / "copy.db")
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(RunFailed, match="NOT NULL constraint failed"):
        ledger.add(replace(rows[0], label=None))


@pytest.mark.parametrize("what", ["renamed", "emptied"])
def test_a_run_whose_ledger_was_taken_away_keeps_all_that_it_had(tiny, write, tmp_path, what):
    ledger, kept = tmp_path / "run" / "ledger.db", tmp_path / "kept.db"

    class Taking(Watcher):
        def design_ends(self, row) -> None:
            if row.name == "cbam":
                ledger.rename(kept)
                if what == "emptied":
                    ledger.touch()

    with pytest.raises(RunFailed, match="was removed or replaced while it was used"):
        run_study(write(tiny), tmp_path / "run", Taking())
    assert {"study.yaml", "meaning.json", "data.json"} <= {path.name for path in (tmp_path / "run").iterdir()}
    wal = ledger.with_name("ledger.db-wal")
    if wal.exists():
        wal.rename(kept.with_name("kept.db-wal"))
    ledger.unlink(missing_ok=True)
    kept.rename(ledger)
    if kept.with_name("kept.db-wal").exists():
        kept.with_name("kept.db-wal").rename(wal)
    again = run_study(write(tiny), tmp_path / "run")
    assert again.sitting.evaluations == 8 - 3


def test_a_full_disk_is_waited_for(made, tmp_path):
    said = []
    rows, ledger = rows_and(made, said)
    room = iter([1, 1, 1_000_000])

    def limited(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count={next(room, 1_000_000)}")

    sa.event.listen(ledger._database.engine, "begin", limited)
    for row in rows:
        ledger.add(replace(row, label="long" * 5_000))
    assert [row.design for row in ledger.rows()] == [row.design for row in rows]
    assert ["database or disk is full" in one for one in said] == [True]


def test_a_fault_that_stays_is_said_at_once(made):
    said = []
    rows, ledger = rows_and(made, said)
    ledger.add(rows[0])
    with pytest.raises(RunFailed, match="UNIQUE constraint failed"):
        ledger.add(rows[0])
    assert not said


@pytest.mark.parametrize("what", ["removed", "replaced", "moved"])
def test_a_ledger_that_went_is_noticed_before_a_row_is_lost(made, tmp_path, what):
    rows, ledger = rows_and(made)
    ledger.add(rows[0])
    file = tmp_path / "copy.db"
    if what == "moved":
        file.rename(tmp_path / "elsewhere.db")
    else:
        file.unlink()
    if what == "replaced":
        file.touch()
    with pytest.raises(RunFailed, match=r"copy\.db: was removed or replaced while it was used; put the run directory"):
        ledger.add(rows[1])
    ledger.close()


def test_a_closed_ledger_is_one_file(made, tmp_path):
    rows, ledger = rows_and(made)
    ledger.add(rows[0])
    assert (tmp_path / "copy.db-wal").exists()
    ledger.close()
    assert not list(tmp_path.glob("copy.db-*"))
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("outcome", "eaten", "'eaten' is not a valid Outcome"),
        ("phase", "", "'' is not a valid Phase"),
        ("role", "chief", "'chief' is not a valid Role"),
        ("history", '[{"epoch": 1', "Expecting"),
        ("spec", "", "Expecting value"),
    ],
)
def test_a_damaged_row_is_said(made, column, value, said):
    with sqlite3.connect(made / "ledger.db") as connection:
        connection.execute(f"UPDATE evaluations SET {column} = ? WHERE number = 2", (value,))
    with pytest.raises(RunError, match=f"ledger.db: is damaged: its evaluation 2 cannot be read: .*{said}"):
        Ledger(made / "ledger.db").rows()
    with pytest.raises(RunError, match=f"is damaged: .*{said}"):
        load(made)


def test_a_database_that_is_no_ledger_stays_as_it_is(tmp_path):
    (tmp_path / "a.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(RunFailed, match="file is not a database"):
        Database(tmp_path / "a.db").begin(lambda connection: connection.exec_driver_sql("CREATE TABLE x (y)"))
    assert (tmp_path / "a.db").read_bytes() == b"nothing of the kind" * 100
