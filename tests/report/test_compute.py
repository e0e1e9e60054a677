import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest

from attnspace.analysis.importance import importance
from attnspace.analysis.verdict import confirmation
from attnspace.record.results import load
from attnspace.report import render
from attnspace.report.compute import burden, dominated_volume, edf, front, hypervolume, leaderboard
from attnspace.report.figures import (
    confirmation_figure,
    curves_figure,
    edf_figure,
    effects_figure,
    front_figure,
    hypervolume_figure,
    shares_figure,
)
from tests.made_run import made_run

EXAMPLE = Path(__file__).parents[2] / "studies" / "example"

TWO = {"maximize": "val_accuracy", "minimize": "activation_bytes"}


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_dominated_volume_is_that_of_random_points(objectives):
    rng = np.random.default_rng(objectives)
    points = rng.random((12, objectives))
    inside = rng.random((200_000, objectives))
    share = (inside[:, None] <= points[None]).all(-1).any(1).mean()
    assert dominated_volume(points) == pytest.approx(share, abs=0.01)


def test_the_dominated_volume_is_optunas():
    points = np.random.default_rng(0).random((20, 3))
    study = optuna.create_study(directions=["maximize"] * 3)
    for point in points:
        study.add_trial(optuna.trial.create_trial(values=list(point)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        drawn = optuna.visualization.plot_hypervolume_history(study, [0.0, 0.0, 0.0]).data[0]
    ours = [dominated_volume(points[: n + 1]) for n in range(20)]
    assert ours == pytest.approx(list(drawn.y))


def test_volumes_of_known_points():
    assert dominated_volume(np.array([[0.5, 0.5]])) == 0.25
    assert dominated_volume(np.array([[1.0, 0.5], [0.5, 1.0], [0.2, 0.2]])) == pytest.approx(0.75)
    assert dominated_volume(np.empty((0, 1))) == 0.0


def test_the_hypervolume_never_falls_and_ends_with_all_designs(tmp_path):
    table = hypervolume(load(made_run(tmp_path / "run", trials=15, objective=TWO)))
    assert len(table) == 20
    assert table["share"].is_monotonic_increasing
    assert 0 < table["share"].iloc[-1] <= 1
    assert table["epochs"].iloc[-1] == 20 * 4
    assert len(hypervolume_figure(table).data) == 1


def test_epochs_of_designs_that_stopped_count(tmp_path):
    table = hypervolume(load(made_run(tmp_path / "run", trials=10, paused=4, objective=TWO)))
    assert len(table) == 11
    assert table["epochs"].iloc[-1] == 11 * 4


def test_one_objective_has_no_hypervolume(tmp_path):
    assert hypervolume(load(made_run(tmp_path / "run", trials=5))).empty


def test_quality_is_shown_against_the_cost_that_is_an_objective(tmp_path):
    results = load(made_run(tmp_path / "run", trials=15, objective=TWO))
    assert burden(results).name == "activation_bytes"
    board = front(results)
    assert board["activation_bytes"].is_monotonic_increasing
    on_front = board[board["pareto"]]
    assert on_front["val_accuracy"].is_monotonic_increasing
    assert burden(load(made_run(tmp_path / "other", trials=2))).name == "params"


def test_figures_show_every_row_of_their_frames(tmp_path):
    results = load(made_run(tmp_path / "run", trials=30, confirmed=3))
    found, matters = confirmation(results), importance(results)
    assert len(confirmation_figure(found).data) == 2 * len(found.designs)
    bars = shares_figure(matters.holes, top=4)
    assert [len(bar.y) for bar in bars.data] == [4, 4]
    shown = matters.effects[matters.effects["hole"].isin(matters.holes["hole"].head(2))]
    assert sum(len(trace.x) for trace in effects_figure(matters, "val_accuracy", top=2).data) == len(shown)


def test_designs_of_one_block_at_two_placements_are_two_rows_of_the_figure():
    """Of the shipped example's three designs two have names that are alike in their first 44 letters."""
    found = confirmation(load(EXAMPLE))
    figure = confirmation_figure(found)
    assert len({trace.y[0] for trace in figure.data}) == len(found.designs) == len(set(figure.layout.yaxis.ticktext))
    assert max(map(len, figure.layout.yaxis.ticktext)) == 60


def diverged(path, value: float, metric: str = "val_accuracy", **made):
    """A run one of whose trials has this value at the end."""
    results = load(made_run(path, **made))
    rows = results.frame.index[results.frame["role"] == "trial"]
    results.frame.at[rows[0], metric] = value
    results.frame.at[rows[0], "history"] = [{**epoch, metric: value} for epoch in results.frame.at[rows[0], "history"]]
    return results


LOSS = {"maximize": None, "minimize": "val_loss"}


@pytest.mark.parametrize("value", [1e30, float("inf"), float("nan")])
def test_one_diverged_design_bends_no_axis_and_is_marked(tmp_path, value):
    results = diverged(tmp_path / "run", value, "val_loss", trials=12, objective=LOSS)
    board = leaderboard(results)
    assert board["outside"].sum() == 1
    assert board["shown"].max() < 0.3
    for figure, axis in ((front_figure(results), "y"), (edf_figure(results), "x")):
        assert max(float(number) for trace in figure.data for number in trace[axis]) < 0.3
        (mark,) = [trace for trace in figure.data if trace.name == "outside"]
        assert mark.marker.symbol == "triangle-up"
    assert f"{value:.4g}" in front_figure(results).data[-1].hovertext[0]
    assert not front(results).query("outside")["pareto"].any()


def test_a_baseline_that_diverged_bends_no_learning_curve(tmp_path):
    results = load(made_run(tmp_path / "run", trials=6, objective=LOSS))
    row = results.frame.index[results.frame["name"] == "se"][0]
    results.frame.at[row, "history"] = [{**epoch, "val_loss": 1e30} for epoch in results.frame.at[row, "history"]]
    figure = curves_figure(results)
    assert figure.layout.yaxis.range[1] < 1
    (mark,) = [trace for trace in figure.data if trace.name == "outside"]
    assert mark.hovertext == ("se: 1e+30",)


def test_nothing_is_drawn_of_one_observation(tmp_path):
    assert edf(load(made_run(tmp_path / "one", trials=1))).empty
    alone = load(made_run(tmp_path / "alone", trials=1, baselines=False, epochs=1, objective=TWO))
    assert hypervolume(alone).empty
    page = render(alone)
    for heading in ("Quality against size", "Learning curves", "The space as a whole", "How the front advanced"):
        assert f"<h2>{heading}</h2>" not in page


def test_a_diverged_design_bends_no_hypervolume(tmp_path):
    before = hypervolume(load(made_run(tmp_path / "run", trials=15, objective=TWO)))["share"].iloc[-1]
    after = hypervolume(diverged(tmp_path / "other", -1e30, trials=15, objective=TWO))["share"].iloc[-1]
    assert after == pytest.approx(before, abs=0.2)


def test_the_page_counts_what_lies_outside(tmp_path):
    page = render(diverged(tmp_path / "run", 1e30, "val_loss", trials=12, objective=LOSS))
    assert "1 design is far worse than the others and outside of what is drawn: it is marked by triangles" in page
    assert "is far worse than the others" not in render(load(made_run(tmp_path / "other", trials=12)))


def test_where_the_choices_tell_nothing_one_line_says_so_and_nothing_is_drawn(tmp_path):
    results = load(made_run(tmp_path / "run", trials=30))
    assert not importance(results).predicts
    page = render(results)
    assert "<h2>What matters</h2>" in page
    assert "Nothing can be said: from 30 designs" in page
    assert "What each option" not in page
