import random

import numpy as np
import optuna
import pytest

from attnspace.errors import SpaceError
from attnspace.samplers import NSGA2, Evolution, Exhaustive, make, names, sampler
from attnspace.samplers.dominance import crowding, dominance_counts, fronts
from attnspace.samplers.tree import differently, fresh
from attnspace.space.space import Space

SPACE = Space(
    {
        "a": {"$choice": [{"kind": "x", "n": {"$int": [1, 9]}}, {"kind": "y", "m": {"$choice": ["p", "q", "r"]}}]},
        "b": {"$subset": [1, 2, 3]},
    }
)


def optimised(sampler, trials: int, value, directions=("maximize",), space=SPACE):
    study = optuna.create_study(sampler=sampler, directions=list(directions))
    for _ in range(trials):
        trial = study.ask()
        filling = space.suggest(trial)
        study.tell(trial, value(filling.data))
    return study


def planted(data) -> float:
    """Best at y, q, [1, 3]."""
    return (data["a"]["kind"] == "y") + (data["a"].get("m") == "q") + len({1, 3} & set(data["b"])) - len(data["b"]) / 9


@pytest.mark.parametrize("name", ["tpe", "evolution", "nsga2"])
def test_a_sampler_that_learns_beats_chance(name):
    """Eight holes of four options, one of them right: after 80 trials."""
    wide = Space([{"$choice": ["a", "b", "c", "d"]} for _ in range(8)])

    def best(kind, seed):
        study = optimised(make(kind, wide, seed), 80, lambda data: float(data.count("b")), space=wide)
        return study.best_value

    assert np.mean([best(name, seed) for seed in range(5)]) > np.mean([best("random", seed) for seed in range(5)]) + 1


@pytest.mark.parametrize("name", ["tpe", "evolution", "nsga2", "random", "exhaustive"])
def test_the_same_seed_gives_the_same_suggestions(name):
    one, other = (optimised(make(name, SPACE, 3), 25, planted) for _ in range(2))
    assert [t.params for t in one.trials] == [t.params for t in other.trials]


@pytest.mark.parametrize("sampler", [Evolution, NSGA2])
def test_a_child_differs_from_its_parents_and_is_a_member(sampler):
    study = optimised(sampler(seed=1, startup=5), 60, planted)
    members = {str(f.choices) for f in SPACE.enumerate()}
    assert {str(dict(t.params)) for t in study.trials} <= members
    children = study.trials[5:]
    for i, child in enumerate(children, start=5):
        shared = max(
            sum(child.params.get(name) == value for name, value in parent.params.items()) for parent in study.trials[:i]
        )
        assert shared >= len(child.params) - 2


def test_evolution_changes_one_hole_of_the_best_recent_design():
    sampler = Evolution(seed=0, startup=1, population=3, tournament=3)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    distributions = {"u": optuna.distributions.CategoricalDistribution(["a", "b"])}
    for value, u in ((9.0, "a"), (1.0, "b"), (3.0, "a"), (2.0, "b")):  # the first is too old
        study.add_trial(optuna.trial.create_trial(params={"u": u}, distributions=distributions, value=value))
    assert {study.ask().suggest_categorical("u", ["a", "b"]) for _ in range(4)} == {"b"}


def test_evolution_takes_no_parent_that_is_cheap_alone():
    """Only the accurate ones are parents, though no other dominates the cheap one."""
    sampler = Evolution(seed=0, startup=1, tournament=3)
    study = optuna.create_study(sampler=sampler, directions=["maximize", "minimize"])
    distributions = {"u": optuna.distributions.CategoricalDistribution(["a", "b"])}
    for values, u in (((0.1, 1.0), "a"), ((0.9, 9.0), "b"), ((0.8, 10.0), "b")):
        study.add_trial(optuna.trial.create_trial(params={"u": u}, distributions=distributions, values=values))
    assert {study.ask().suggest_categorical("u", ["a", "b"]) for _ in range(8)} == {"a"}


def test_nsga2_spreads_along_the_front():
    def two(data):
        n = data["a"].get("n", 0)
        return n, -((n - 1) ** 2)

    study = optimised(NSGA2(seed=0), 120, two, ("maximize", "maximize"))
    assert len({t.params.get("a[x].n") for t in study.best_trials}) >= 7


def test_exhaustive_gives_every_filling_once():
    study = optimised(Exhaustive(SPACE, seed=2), int(SPACE.size()), planted)
    assert len({str(sorted(t.params.items())) for t in study.trials}) == SPACE.size()


def test_exhaustive_refuses_what_it_cannot_end():
    with pytest.raises(SpaceError, match=r"too large to go through; .*allowed: up to 1,000,000"):
        Exhaustive(Space({"$any": "block"}))


def test_another_value_is_another_value_within_bounds():
    rng = random.Random(0)
    for distribution, value in (
        (optuna.distributions.CategoricalDistribution([1, True, "1"]), True),
        (optuna.distributions.IntDistribution(2, 4), 3),
        (optuna.distributions.FloatDistribution(0.1, 10.0, log=True), 1.0),
        (optuna.distributions.FloatDistribution(-1.0, 1.0), 0.0),
    ):
        drawn = [differently(distribution, value, rng) for _ in range(200)]
        assert not any(type(d) is type(value) and d == value for d in drawn)
        assert all(distribution._contains(distribution.to_internal_repr(d)) for d in drawn)
        assert len(set(map(repr, drawn))) > 1


def test_fresh_values_are_even_on_the_scale_that_is_asked_for():
    rng = random.Random(0)
    logs = [np.log10(fresh(optuna.distributions.FloatDistribution(1e-3, 1e3, log=True), rng)) for _ in range(3000)]
    assert abs(np.mean(logs)) < 0.1
    assert abs(np.std(logs) - 6 / 12**0.5) < 0.1


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_fronts_are_those_of_dominance_counts(objectives):
    points = np.random.default_rng(objectives).integers(0, 9, (200, objectives)).astype(float)
    left, expected = np.arange(200), []
    while len(left):
        counts = dominance_counts(points[left])
        expected.append(left[counts == 0].tolist())
        left = left[counts > 0]
    assert [front.tolist() for front in fronts(points)] == expected


@pytest.mark.parametrize("sampler", [Evolution, NSGA2])
def test_without_startup_the_first_trial_is_drawn_at_random(sampler):
    assert len(optimised(sampler(seed=0, startup=0), 5, planted).trials) == 5


def test_dominance_fronts_and_crowding_of_a_known_case():
    points = np.array([[3.0, 0.0], [2.0, 2.0], [0.0, 3.0], [1.0, 1.0], [0.0, 0.0]])
    assert dominance_counts(points).tolist() == [0, 0, 0, 1, 4]
    assert [front.tolist() for front in fronts(points)] == [[0, 1, 2], [3], [4]]
    assert len(crowding(np.empty((0, 2)))) == 0
    assert crowding(points[:3]).tolist() == [np.inf, 2.0, np.inf]
    assert dominance_counts(np.array([[-1.0], [-3.0], [-2.0]])).tolist() == [0, 2, 1]


@pytest.mark.parametrize("name", names())
def test_a_name_is_given_once(name):
    made = make(name, SPACE, 0)
    with pytest.raises(
        ValueError, match=rf"called so already; got '{name}'; allowed: a name other than forest, .*random"
    ):
        sampler(name)(lambda space, seed: Exhaustive(space, seed))
    assert type(make(name, SPACE, 0)) is type(made)
