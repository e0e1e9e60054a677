"""A search against a recorded table."""

import pandas as pd
import pytest

from attnspace.errors import RunError, StudyError
from attnspace.results import load, write_tables
from attnspace.study import prepare, prepare_run
from tests.study.conftest import facts


@pytest.fixture
def recorded(tiny, write, tmp_path, run):
    """Every design of a small space, trained; and a study that looks them up."""
    tiny["train"]["epochs"] = 3
    tiny["search"] |= {"trials": 63, "sampler": "exhaustive", "rungs": None}
    tiny["space"]["placement"] = {"stages": {"$choice": [[2], [3]]}}
    _, rows = run(prepare(write(tiny)), tmp_path / "recorded")
    write_tables(load(tmp_path / "recorded"))
    replay = {**tiny, "name": "replay", "train": {"kind": "replay", "table": "recorded/trials.parquet"}}
    replay["search"] = {**tiny["search"], "trials": 12, "sampler": "evolution", "rungs": {"first": 1}}
    return replay, rows


def test_what_is_looked_up_is_what_was_trained(recorded, write, tmp_path, run):
    replay, rows = recorded
    study = prepare(write(replay))
    _, found = run(study, tmp_path / "replay")
    trained = {row.design: row for row in rows}
    assert len(found) > 5 + 12
    for row in found:
        assert row.history == trained[row.design].history[: row.epochs]
        assert (row.params, row.flops) == (trained[row.design].params, trained[row.design].flops)
        assert row.outcome == ("done" if row.epochs == 3 else "paused")
        assert row.recipe == trained[row.design].recipe


def test_a_replay_chooses_as_the_search_that_trains(recorded, tiny, write, tmp_path, run):
    replay, _ = recorded
    trained = {**replay, "train": tiny["train"], "name": "trained"}
    _, one = run(prepare(write(replay)), tmp_path / "one")
    _, other = run(prepare(write(trained, "trained.yaml")), tmp_path / "other")

    def without(rows):
        return [{k: v for k, v in row.items() if k not in ("versions",)} for row in facts(rows)]

    assert without(one) == without(other)


def test_a_table_of_another_network_is_refused(recorded, write):
    replay, _ = recorded
    replay["backbone"] = {"kind": "resnet", "depth": 14, "width": 16}
    with pytest.raises(StudyError, match=r"train\.table: was recorded with another backbone; .*copy it here"):
        prepare(write(replay))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"PAR1" * 9, "cannot be read"), (None, "does not say which study")],
)
def test_what_is_no_table_is_refused(recorded, write, tmp_path, content, message):
    replay, _ = recorded
    table = tmp_path / "recorded" / "trials.parquet"
    if content is None:
        pd.read_parquet(table).to_parquet(table)
    else:
        table.write_bytes(content)
    with pytest.raises(StudyError, match=rf"train\.table: {message}"):
        prepare(write(replay))


def test_a_design_that_the_table_has_not_is_a_failure_with_its_reason(recorded, write, tmp_path, run):
    replay, _ = recorded
    replay["space"]["placement"] = {"stages": {"$choice": [[1], [2]]}}
    _, rows = run(prepare(write(replay)), tmp_path / "replay")
    failed = [row for row in rows if row.outcome == "failed"]
    assert failed
    assert all(row.reason.startswith("LookupError: the table has no design") for row in failed)


def test_a_replay_cannot_be_confirmed(recorded, write, tmp_path, run):
    replay, _ = recorded
    run(prepare(write(replay)), tmp_path / "replay")
    with pytest.raises(RunError, match="looked its results up in a table: there is nothing to train again"):
        prepare_run(tmp_path / "replay")
