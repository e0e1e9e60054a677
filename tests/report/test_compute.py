import warnings

import numpy as np
import optuna
import pytest

from attnspace.analysis.importance import importance
from attnspace.analysis.verdict import confirmation
from attnspace.record.results import load
from attnspace.report.compute import burden, dominated_volume, front, hypervolume
from attnspace.report.figures import confirmation_figure, effects_figure, hypervolume_figure, shares_figure
from tests.made_run import made_run

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
