import json
import re
import sqlite3

import pandas as pd
import pytest

from attnspace import frame, load_spec, parse_spec, recommend
from attnspace.analysis.winner import write_winner
from attnspace.errors import RunError
from attnspace.record.ledger import Ledger
from attnspace.record.results import load, write_table
from attnspace.report.compute import curves, edf, front, leaderboard, summary
from tests.made_run import made_run


def test_the_frame_has_a_row_for_each_evaluation(tmp_path):
    table = frame(made_run(tmp_path / "run", trials=12))
    assert len(table) == 17
    assert list(table["number"]) == list(range(1, 18))
    assert table.loc[table["name"] == "none", "params_added"].item() == 0
    assert isinstance(table["spec"].iloc[0], dict)
    assert isinstance(table["history"].iloc[0], list)


def test_an_empty_ledger_is_an_empty_frame(tmp_path):
    path = made_run(tmp_path / "run", trials=0, baselines=False)
    results = load(path)
    assert results.frame.empty
    assert results.winner() is None
    assert write_table(results) == path / "trials.parquet"
    assert write_winner(results) is None


def test_the_parquet_file_holds_the_frame(tmp_path):
    path = made_run(tmp_path / "run", trials=4)
    results = load(path)
    write_table(results)
    table = pd.read_parquet(path / "trials.parquet")
    assert list(table["val_accuracy"].dropna()) == list(results.frame["val_accuracy"].dropna())
    assert json.loads(table["spec"].iloc[0]) == results.frame["spec"].iloc[0]


def test_the_winner_is_the_best_trial_and_loads_as_a_spec(tmp_path):
    path = made_run(tmp_path / "run", trials=12)
    results = load(path)
    write_winner(results)
    winner = json.loads((path / "winner.json").read_text())
    best = results.frame.query("role == 'trial'").sort_values("val_accuracy").iloc[-1]
    assert winner["block"] == best["spec"]["block"]
    assert winner["placement"] == best["spec"]["placement"]
    assert load_spec(path / "winner.json") == parse_spec(winner["block"])
    assert "not yet confirmed" in winner["doc"]
    table = frame(path)
    assert set(table.loc[table["handed_over"], "design"]) == {best["design"]}
    assert recommend(path) is None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: (path / "ledger.db").unlink(), r"is no run: it has no ledger\.db"),
        (lambda path: (path / "study.yaml").unlink(), r"is no run: it has no study\.yaml"),
        (lambda path: (path / "ledger.db").write_text("x" * 5000), "is damaged: .*file is not a database"),
        (lambda path: (path / "study.yaml").write_text("a: ["), "is not YAML"),
        (lambda path: (path / "study.yaml").write_text("[]"), "is no study"),
        (lambda path: (path / "study.yaml").write_bytes(b"\xff"), "is not a text file"),
        (
            lambda path: sqlite3.connect(path / "ledger.db").execute("DROP TABLE evaluations"),
            "is damaged: .*no such table",
        ),
    ],
)
def test_a_directory_that_is_no_run_is_refused(tmp_path, spoil, message):
    path = made_run(tmp_path / "run", trials=1)
    spoil(path)
    with pytest.raises(RunError, match=message):
        frame(path)


def test_the_leaderboard_ranks_by_metric_then_size(tmp_path):
    board = leaderboard(load(made_run(tmp_path / "run", trials=20)))
    assert list(board["rank"]) == list(range(1, len(board) + 1))
    pairs = list(zip(-board["val_accuracy"], board["params"], strict=True))
    assert pairs == sorted(pairs)
    best_baseline = board.query("role == 'baseline'")["val_accuracy"].max()
    pd.testing.assert_series_equal(board["gain"], board["val_accuracy"] - best_baseline, check_names=False)


def test_a_loss_is_ranked_the_other_way(tmp_path):
    path = made_run(tmp_path / "run", trials=8, objective={"maximize": None, "minimize": "val_loss"})
    board = leaderboard(load(path))
    assert board["val_loss"].is_monotonic_increasing
    assert board.query("role == 'baseline'")["gain"].max() == 0


def test_the_front_holds_what_nothing_smaller_equals(tmp_path):
    points = front(load(made_run(tmp_path / "run", trials=30)))
    for _, row in points.iterrows():
        rivals = points[(points["params"] <= row["params"]) & (points.index != row.name)]
        beaten = (rivals["val_accuracy"] > row["val_accuracy"]) | (
            (rivals["val_accuracy"] == row["val_accuracy"]) & (rivals["rank"] < row["rank"])
        )
        assert row["pareto"] == (not beaten.any())


def test_sizes_are_what_was_added_to_the_plain_backbone(tmp_path):
    points = front(load(made_run(tmp_path / "run", trials=5)))
    assert points.loc[points["name"] == "none", "size"].item() == 1
    others = points[points["name"] != "none"]
    assert (others["size"] == others["params"] - 1000).all()
    alone = front(load(made_run(tmp_path / "alone", trials=5, baselines=False)))
    assert (alone["size"] == alone["params"]).all()


def test_the_edf_rises_from_the_first_trial_to_one(tmp_path):
    table = edf(load(made_run(tmp_path / "run", trials=10)))
    assert table["value"].is_monotonic_increasing
    assert table["share"].tolist() == pytest.approx([i / 10 for i in range(1, 11)])


def test_curves_are_those_of_baselines_and_the_best_trials(tmp_path):
    results = load(made_run(tmp_path / "run", trials=10))
    table = curves(results, top=3)
    assert table.groupby("role")["curve"].nunique().to_dict() == {"baseline": 5, "trial": 3}
    last = table[table["curve"] == "se"].iloc[-1]
    assert last["value"] == results.frame.query("name == 'se'")["val_accuracy"].item()


def test_the_summary_says_what_may_be_said(tmp_path):
    facts = summary(load(made_run(tmp_path / "run", trials=10, failed=2)))
    assert (facts.trials, facts.baselines, facts.failed) == (10, 5, 2)
    assert facts.gain == pytest.approx(facts.best["estimate"] - facts.best_baseline["estimate"])
    assert re.fullmatch(
        r"Of 12 designs, 10 of them trained to the end, the leading one is .+ at residual, all stages, with an estimated "
        r"val_accuracy of \d\d\.\d% \(1 seed\); the best baseline, \w+, has \d\d\.\d% \(1 seed\)\. It is not confirmed\.",
        facts.sentence("val_accuracy"),
    )
    empty = summary(load(made_run(tmp_path / "empty", trials=0)))
    assert empty.sentence("val_accuracy") == "No trial has finished yet."


def test_every_column_of_the_ledger_is_in_the_frame(tmp_path):
    path = made_run(tmp_path / "run", trials=1)
    ledger = Ledger(path / "ledger.db")
    row = ledger.rows()[0]
    assert {*vars(row), *row.metrics, *row.costs} - {"metrics", "costs", "answers"} <= set(frame(path).columns)
    ledger.close()
