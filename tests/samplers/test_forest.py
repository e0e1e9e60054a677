"""The forest learns from answers, and looks where it expects the best."""

import random

import numpy as np
import optuna
import pytest

from attnspace.samplers import Forest
from attnspace.samplers.coding import ABSENT, Coding
from attnspace.space.space import Space

SPACE = Space(
    {
        "a": {"$choice": [1, 2, 3, 4, 5, 6]},
        "b": {
            "$choice": [{"kind": "x", "c": {"$int": [0, 9]}}, {"kind": "y", "d": {"$float": [0.001, 1.0], "log": True}}]
        },
        "e": {"$subset": ["p", "q", "r"]},
    }
)


def worth(data) -> float:
    inner = data["b"]["c"] / 9 if data["b"]["kind"] == "x" else 0.3
    return data["a"] / 6 + inner + len(data["e"]) / 3


def searched(sampler: optuna.samplers.BaseSampler, trials: int) -> list[float]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    found = []
    for _ in range(trials):
        trial = study.ask()
        found.append(worth(SPACE.suggest(trial).data))
        study.tell(trial, found[-1])
    return found


def test_it_finds_what_is_good_sooner_than_random_search():
    ours = [max(searched(Forest(SPACE, seed), 60)) for seed in range(5)]
    random_ones = [max(searched(optuna.samplers.RandomSampler(seed=seed), 60)) for seed in range(5)]
    assert np.mean(ours) > np.mean(random_ones) + 0.2


def test_the_same_seed_asks_the_same():
    assert searched(Forest(SPACE, 3), 30) == searched(Forest(SPACE, 3), 30)


def test_columns_are_numbers_members_and_options():
    coding = Coding(SPACE)
    drawn = [dict(SPACE.sample(random.Random(seed)).choices) for seed in range(50)]
    rows = coding(drawn)
    assert rows.shape == (50, coding.width)
    assert coding.width == 6 + 2 + 1 + 1 + 3
    assert ((rows == ABSENT) | ((rows >= 0) & (rows <= 9))).all()
    with_x = np.array(["b[x].c" in one for one in drawn])
    assert 0 < with_x.sum() < 50
    assert (rows == ABSENT).sum(1).tolist() == [1] * 50  # of each trial c or d is not asked


def test_a_number_on_a_logarithmic_scale_goes_from_0_to_1():
    space = Space({"lr": {"$float": [0.01, 1.0], "log": True}})
    found = Coding(space)([{"lr": 0.01}, {"lr": 0.1}, {"lr": 1.0}])
    assert found[:, 0].tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_several_objectives_are_refused():
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=Forest(SPACE, 0, startup=1))
    study.tell(_asked(study), (1.0, 1.0))
    with pytest.raises(ValueError, match="for one objective; got several; use NSGA2"):
        _asked(study)


def _asked(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    SPACE.suggest(trial)
    return trial
