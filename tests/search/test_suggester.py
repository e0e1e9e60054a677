"""What samplers see is what was reported last."""

from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from attnspace.samplers import Evolution
from attnspace.search import suggester as suggester_module
from attnspace.search.suggester import Suggester
from attnspace.space.space import Space


class Looking(RandomSampler):
    """Notes the values of all complete trials whenever it is asked."""

    seen: list[list[float]]

    def sample_independent(self, study, trial, name, distribution):
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        type(self).seen = [list(known.values) for known in complete]
        return super().sample_independent(study, trial, name, distribution)


def test_samplers_see_what_was_reported_last(monkeypatch):
    monkeypatch.setattr(suggester_module, "make", lambda name, space, seed: Looking(seed=seed))
    asked = Suggester(Space({"a": {"$choice": [1, 2, 3]}}), "random", 0, ["maximize", "minimize"])
    for key in ("one", "two", "three"):
        asked.tell(key, asked.ask(0, 0).choices, [0.5, 10.0])
    asked.ask(1, 0)
    assert Looking.seen == [[0.5, 10.0]] * 3
    asked.change([0], [[0.7, 10.0]])
    asked.tell("two", asked.ask(0, 0).choices, [0.9, 11.0])
    asked.forget("three")
    asked.ask(2, 0)
    assert Looking.seen == [[0.7, 10.0], [0.9, 11.0]]


class Learning(Evolution):
    """Notes the points of its history whenever it is asked."""

    seen: list[list[float]]

    def plan(self, history):
        type(self).seen = history.points.tolist()
        return super().plan(history)


def test_a_sampler_of_trees_is_told_of_the_same_trials_directly(monkeypatch):
    monkeypatch.setattr(suggester_module, "make", lambda name, space, seed: Learning(seed=seed, startup=1))
    asked = Suggester(Space({"a": {"$choice": [1, 2, 3]}}), "evolution", 0, ["maximize", "minimize"])
    for key in ("one", "two", "three"):
        asked.tell(key, {"a": 1}, [0.5, 10.0])
    asked.ask(1, 0)
    assert Learning.seen == [[0.5, -10.0]] * 3
    asked.change([0, 2], [[0.7, 10.0], [0.8, 12.0]])
    asked.forget("two")
    asked.ask(2, 0)
    assert Learning.seen == [[0.7, -10.0], [0.8, -12.0]]
