"""A search against a recorded table."""

import copy
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from attnspace.errors import RunError, StudyError
from attnspace.objective.goals import Objective
from attnspace.record.ledger import Ledger
from attnspace.record.results import load, write_table
from attnspace.search.progress import Watcher
from attnspace.search.search import search
from attnspace.study.loading import prepare, prepare_run
from tests.searching import TINY, StopAfterRows, facts, searched, with_search, with_sections


@pytest.fixture(scope="module")
def whole_space(tmp_path_factory):
    """Every design of a small space, trained: the study, its folder and the rows."""
    folder = tmp_path_factory.mktemp("whole_space")
    study = copy.deepcopy(TINY)
    study["train"]["epochs"] = 3
    study["search"] |= {"trials": 63, "sampler": "exhaustive", "rungs": None}
    study["space"]["placement"] = {"stages": {"$choice": [[2], [3]]}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    _, rows = searched(prepare(folder / "study.yaml"), folder / "recorded")
    write_table(load(folder / "recorded"))
    return study, folder / "recorded", rows


@pytest.fixture
def recorded(whole_space, tmp_path):
    """A study that looks the designs of the small space up, and the rows of the table."""
    trained, folder, rows = whole_space
    shutil.copytree(folder, tmp_path / "recorded")
    replay = copy.deepcopy(
        {**trained, "name": "replay", "train": {"kind": "replay", "table": "recorded/trials.parquet"}}
    )
    replay["search"] |= {"trials": 12, "sampler": "evolution", "rungs": {"first": 1, "seeds": 1}}
    return replay, rows


def test_a_table_is_replayed_without_its_images(whole_space, write, tmp_path, run, monkeypatch):
    from attnspace.data.digits import DigitsConfig

    trained, folder, rows = whole_space
    monkeypatch.setattr(DigitsConfig, "load", lambda self, watch=None: pytest.fail("it looks for images"))
    replay = {**trained, "name": "replay", "train": {"kind": "replay", "table": str(folder / "trials.parquet")}}
    study = prepare(write(replay))
    assert study.data.input_shape == (1, 8, 8)
    assert len(study.data.classes) == 10
    assert len(run(study, tmp_path / "replay")[1]) == len(rows)


def test_what_is_looked_up_is_what_was_trained(recorded, write, tmp_path, run):
    replay, rows = recorded
    study = prepare(write(replay))
    _, found = run(study, tmp_path / "replay")
    trained = {row.design: row for row in rows}
    assert len(found) > 5 + 12
    for row in found:
        assert row.history == trained[row.design].history[: row.epochs]
        assert (row.costs["params"], row.costs["flops"]) == (
            trained[row.design].costs["params"],
            trained[row.design].costs["flops"],
        )
        assert row.outcome == ("done" if row.epochs == 3 else "paused")
        assert row.protocol == trained[row.design].protocol


def test_a_replay_chooses_as_the_search_that_trains(recorded, whole_space, write, tmp_path, run):
    replay, _ = recorded
    trained = {**replay, "train": whole_space[0]["train"], "name": "trained"}
    _, one = run(prepare(write(replay)), tmp_path / "one")
    _, other = run(prepare(write(trained, "trained.yaml")), tmp_path / "other")

    def without(rows):
        return [{k: v for k, v in row.items() if k not in ("environment",)} for row in facts(rows)]

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


def test_designs_that_the_table_has_not_are_passed_over(recorded, write, tmp_path, run):
    replay, rows = recorded
    replay["space"]["placement"] = {"stages": {"$choice": [[1], [2]]}}
    outcome, found = run(prepare(write(replay)), tmp_path / "replay")
    recorded_ = {row.design for row in rows}
    assert outcome.exhausted
    assert {row.design for row in found} <= recorded_
    assert len({row.design for row in found if row.role == "trial"}) == 9


def test_a_replay_cannot_be_confirmed(recorded, write, tmp_path, run):
    replay, _ = recorded
    run(prepare(write(replay)), tmp_path / "replay")
    with pytest.raises(RunError, match="looked its results up in a table: there is nothing to train again"):
        prepare_run(tmp_path / "replay")


@pytest.mark.parametrize("goals", [{"maximize": "val_accuracy"}, {"maximize": "val_accuracy", "minimize": "params"}])
@pytest.mark.parametrize("sampler", ["nsga2", "evolution", "tpe"])
def test_cut_anywhere_a_search_goes_on_as_if_it_had_not_been(tmp_path, sampler, goals):
    """On the table of 840 designs: long enough for forecasts to change what samplers hear."""
    data = Path(__file__).parents[1] / "benchmarks" / "data"
    replay = prepare(data / "digits.yaml", settings=data / "digits_replay.yaml")
    study = with_sections(with_search(replay, trials=60, sampler=sampler), objective=Objective(**goals))
    whole = Ledger(tmp_path / "whole.db")
    search(study, whole, Watcher())
    parts = Ledger(tmp_path / "parts.db")
    while True:
        try:
            search(study, parts, StopAfterRows(11))
            break
        except KeyboardInterrupt:
            continue
    assert facts(parts.rows()) == facts(whole.rows())
    assert max(row.seed for row in whole.rows()) >= 2  # it got to the rungs of several seeds


def test_a_table_that_was_itself_looked_up_is_refused(recorded, write, tmp_path, run):
    replay, _ = recorded
    run(prepare(write(replay)), tmp_path / "again")
    write_table(load(tmp_path / "again"))
    replay["train"]["table"] = "again/trials.parquet"
    with pytest.raises(StudyError, match=r"train\.table: was itself looked up"):
        prepare(write(replay))


def test_a_table_holds_no_latencies(recorded, write):
    replay, _ = recorded
    for objective in (
        {"maximize": "val_accuracy", "minimize": "latency_ms"},
        {"maximize": "val_accuracy", "subject_to": {"latency_ms": 10}},
    ):
        with pytest.raises(StudyError, match=r"objective: a table holds no latencies"):
            prepare(write({**replay, "objective": objective}))
