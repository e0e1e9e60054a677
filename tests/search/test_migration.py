"""A changed study takes over what it can."""

import pytest

from attnspace.errors import RunError
from attnspace.record.results import load
from attnspace.search.migration import migrate
from attnspace.study.loading import prepare
from attnspace.study.run_directory import RunDirectory
from tests.made_run import age
from tests.searching import facts


@pytest.fixture
def earlier(tiny, write, tmp_path, run):
    tiny["search"]["trials"] = 8
    _, rows = run(prepare(write(tiny)), tmp_path / "earlier")
    return rows


def test_a_larger_space_takes_everything_over_and_goes_on(earlier, tiny, write, tmp_path, run):
    tiny["space"]["block"]["excite"] = [
        {"$choice": [{"kind": "fc", "reduction": {"$choice": [1, 2, 4, 8]}}, {"kind": "conv1d"}]}
    ]
    tiny["search"]["trials"] = 10
    study = prepare(write(tiny, "larger.yaml"))
    with pytest.raises(RunError, match=r"belongs to another study: space\.block.*attnspace migrate"):
        run(study, tmp_path / "earlier")
    found = migrate(study, tmp_path / "earlier", RunDirectory(tmp_path / "larger"))
    assert (found.taken, found.trials, found.left) == (13, 8, {})
    outcome, rows = run(study, tmp_path / "larger")
    assert outcome.evaluations == 2
    assert [row.history for row in rows[:13]] == [row.history for row in earlier]
    assert {"block.excite.0", "block.excite.0[fc].reduction"} <= rows[5].choices.keys()


def test_a_smaller_space_leaves_behind_what_is_no_member(earlier, tiny, write, tmp_path, run):
    tiny["space"]["block"]["excite"] = [{"kind": "fc", "reduction": {"$choice": [2, 4]}}]
    tiny["baselines"] = {"extra": ["ese"]}
    study = prepare(write(tiny, "smaller.yaml"))
    found = migrate(study, tmp_path / "earlier", RunDirectory(tmp_path / "smaller"))
    outside = [row for row in earlier if row.role == "trial" and row.choices["block.excite.0.reduction"] == 8]
    assert found.left == {"not in the study's space": len(outside)}
    assert found.taken == 13 - len(outside)
    _, rows = run(study, tmp_path / "smaller")
    assert len({row.design for row in rows}) == len(rows) == 6 + 8
    trials = [row for row in rows if row.role == "trial"]
    assert sorted(row.trial for row in trials) == list(range(8))


def test_what_the_limits_forbid_stays_behind(earlier, tiny, write, tmp_path):
    tiny["objective"] = {"maximize": "val_accuracy", "subject_to": {"params": 0}}
    found = migrate(prepare(write(tiny, "limited.yaml")), tmp_path / "earlier", RunDirectory(tmp_path / "limited"))
    assert found.left == {"beyond the study's limits": 8}
    assert found.taken == 5


def test_a_search_goes_on_alike_however_often_it_is_resumed_after_a_migration(earlier, tiny, write, tmp_path, run):
    tiny["space"]["placement"] = {"stages": {"$subset": [2, 3]}, "position": {"$choice": ["residual", "pre"]}}
    tiny["search"]["trials"] = 9
    study = prepare(write(tiny, "changed.yaml"))
    for name in ("one", "other"):
        migrate(study, tmp_path / "earlier", RunDirectory(tmp_path / name))
    _, one = run(study, tmp_path / "one")
    tiny["search"]["trials"] = 6
    run(prepare(write(tiny, "fewer.yaml")), tmp_path / "other")
    _, other = run(study, tmp_path / "other")
    assert facts(one) == facts(other)


def test_the_earlier_run_stays_as_it_is(earlier, tiny, write, tmp_path):
    age(tmp_path / "earlier")
    ledger = tmp_path / "earlier" / "ledger.db"
    before = ledger.read_bytes()
    found = migrate(prepare(write(tiny)), tmp_path / "earlier", RunDirectory(tmp_path / "later"))
    assert found.taken == 13
    assert ledger.read_bytes() == before
    ledger.write_bytes(b"SQLite format 3" + bytes(100))
    with pytest.raises(RunError, match=r"earlier.*damaged"):
        migrate(prepare(write(tiny)), tmp_path / "earlier", RunDirectory(tmp_path / "again"))


def test_another_training_is_refused(earlier, tiny, write, tmp_path):
    tiny["train"]["lr"] = 0.5
    with pytest.raises(RunError, match=r"was trained otherwise: train\.lr is 0\.02 there and 0\.5 in the study"):
        migrate(prepare(write(tiny, "other.yaml")), tmp_path / "earlier", RunDirectory(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_a_run_that_is_there_is_not_written_over(earlier, tiny, write, tmp_path):
    with pytest.raises(RunError, match="holds a run already; choose another directory with --to"):
        migrate(prepare(write(tiny)), tmp_path / "earlier", RunDirectory(tmp_path / "earlier"))
    assert len(load(tmp_path / "earlier").frame) == 13


def test_another_seed_is_refused(earlier, tiny, write, tmp_path):
    tiny["search"]["seed"] = 5
    with pytest.raises(RunError, match=r"was trained otherwise: search\.seed is 0 there and 5 in the study"):
        migrate(prepare(write(tiny, "other.yaml")), tmp_path / "earlier", RunDirectory(tmp_path / "other"))


def test_costs_that_the_earlier_study_did_not_ask_for_are_found(earlier, tiny, write, tmp_path, run):
    tiny["objective"] = {"maximize": "val_accuracy", "minimize": "latency_ms"}
    study = prepare(write(tiny, "timed.yaml"))
    migrate(study, tmp_path / "earlier", RunDirectory(tmp_path / "timed"))
    _, rows = run(study, tmp_path / "timed")
    assert all(row.costs["latency_ms"] > 0 for row in rows)


def test_a_ledger_of_an_earlier_version_is_told_from_a_damaged_one(earlier, tiny, write, tmp_path, run):
    import sqlite3

    database = tmp_path / "earlier" / "ledger.db"
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE evaluations DROP COLUMN phase")
    connection.close()
    with pytest.raises(
        RunError, match=r"ledger\.db: is of an earlier version of attnspace: it has no phase; `attnspace r"
    ):
        run(prepare(write(tiny)), tmp_path / "earlier")
    assert len(load(tmp_path / "earlier").frame) == 13


def test_a_study_that_says_less_than_today_is_the_same_study(earlier, tiny, write, tmp_path, run):
    """As a run of an earlier version wrote it: fields that came later are missing."""
    import yaml

    path = tmp_path / "earlier" / "study.yaml"
    study = yaml.safe_load(path.read_text())
    del study["data"]["canvas"], study["search"]["rungs"]["factor"], study["confirm"], study["objective"]["subject_to"]
    path.write_text(yaml.safe_dump(study))
    assert run(prepare(write(tiny)), tmp_path / "earlier")[0].evaluations == 0
