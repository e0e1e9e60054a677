"""What samplers learn from is the completed trials, however they came to be known."""

import numpy as np
import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

from attnspace.samplers.dominance import ranked
from attnspace.samplers.growing import GrowingArray
from attnspace.samplers.history import History

DIRECTIONS = [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]


def trial(values: list[float] | None) -> optuna.trial.FrozenTrial:
    """A trial that has failed if it has no values."""
    state = TrialState.COMPLETE if values else TrialState.FAIL
    return create_trial(params={"n": 1}, distributions={"n": IntDistribution(1, 2)}, values=values, state=state)


def test_rows_stay_as_the_array_grows():
    array, expected = GrowingArray(3), np.random.default_rng(0).random((300, 3))
    assert [array.append(row) for row in expected] == list(range(300))
    assert len(array) == 300
    assert np.array_equal(array.rows, expected)
    assert np.array_equal(array.columns, expected.T)
    array.rows[[7, 250]] = [1.0, 2.0, 3.0]
    assert array.rows[250].tolist() == array.columns[:, 7].tolist() == [1.0, 2.0, 3.0]
    assert GrowingArray(2).rows.shape == (0, 2)


def test_the_history_of_a_study_is_its_completed_trials():
    study = optuna.create_study(directions=["maximize", "minimize"])
    for values in ([1.0, 5.0], None, [3.0, 6.0]):
        study.add_trial(trial(values))
    history = History.of(study)
    assert len(history) == 2
    assert [known.number for known in history.trials] == [0, 2]
    assert history.points.tolist() == [[1.0, -5.0], [3.0, -6.0]]


def test_the_best_follow_what_changed():
    history = History(DIRECTIONS)
    for values in ([1.0, 1.0], [2.0, 2.0], [0.0, 3.0]):
        history.add(trial(values))
    best, second, third = history.trials
    assert history.best(1) == [best]
    assert history.best(3)[-1] is third
    history.change([2], [5.0, 0.0])
    assert history.best(3)[0] is third
    history.add(trial([9.0, -1.0]))
    assert history.best(1) == [history.trials[3]]
    history.drop(3)
    assert history.best(2)[0] is third
    assert history.trials == [best, second, third]


def test_optuna_s_trials_have_the_values_when_they_are_written():
    history = History(DIRECTIONS)
    for values in ([1.0, 1.0], [2.0, 2.0], [3.0, 3.0]):
        history.add(trial(values))
    history.change(np.array([0, 2]), np.array([[7.0, 8.0], [9.0, 10.0]]))
    history.write()
    assert [known.values for known in history.trials] == [[7.0, 8.0], [2.0, 2.0], [9.0, 10.0]]


@pytest.mark.parametrize("objectives", [1, 3])
def test_the_best_are_those_of_a_ranking_of_all(objectives):
    rng = np.random.default_rng(objectives)
    history = History(DIRECTIONS[:1] * objectives)
    for values in rng.integers(0, 9, (120, objectives)).astype(float):
        history.add(trial(values.tolist()))
    history.change(np.arange(0, 120, 3), rng.integers(0, 9, (40, objectives)).astype(float))
    assert history.best(10) == [history.trials[index] for index in ranked(history.points, 10)]
