"""Sampling a tree of holes from earlier trials: what evolution and NSGA-II have in common.

A space asks for its holes one after the other, inner ones only where the outer ones lead there, each under the name of
its path. So a child is made by answering each question: as a parent did where the parent was asked the same, anew
where it was not, and differently at the place of a mutation.
"""

from __future__ import annotations

import abc
import random
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from attnspace.samplers.history import History
from attnspace.space.template import number_at, same

__all__ = ["TreeSampler", "differently", "fresh", "is_option"]


class TreeSampler(BaseSampler):
    """Answers each hole from a plan made of earlier trials.

    Args:
        seed: the seed of everything that is drawn.
        startup: how many trials are drawn at random first.

    Attributes:
        history: what it learns from; if None, the trials of the Optuna study that asks.
    """

    def __init__(self, seed: int | None = None, startup: int = 10) -> None:
        self.rng = random.Random(seed)
        self.startup = startup
        self.history: History | None = None
        self._planned: tuple[int, Mapping[str, Any]] = (-1, {})

    @abc.abstractmethod
    def plan(self, history: History) -> Mapping[str, Any]:
        """The answers that a new trial inherits, by name of hole."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self._planned[0] != trial.number:
            history = History.of(study) if self.history is None else self.history
            answers = self.plan(history) if len(history) >= max(1, self.startup) else {}
            self._planned = (trial.number, answers)
        answers = self._planned[1]
        if param_name in answers and is_option(param_distribution, answers[param_name]):
            return answers[param_name]
        return fresh(param_distribution, self.rng)

    def mutate(self, parent: FrozenTrial, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one hole of the parent differently, one more with probability 1/2, and so on; return all answers.

        Another option of an outer hole exchanges a whole subtree; another count of a repeated part adds or drops parts.
        """
        changed = dict(answers)
        open_ = [name for name, distribution in parent.distributions.items() if not distribution.single()]
        while open_:
            name = open_.pop(self.rng.randrange(len(open_)))
            changed[name] = differently(parent.distributions[name], parent.params[name], self.rng)
            if self.rng.random() < 0.5:
                break
        return changed


def fresh(distribution: BaseDistribution, rng: random.Random) -> Any:
    """A random value: options are equally likely, numbers uniform, on a logarithmic scale where there is one."""
    match distribution:
        case CategoricalDistribution():
            return distribution.choices[rng.randrange(len(distribution.choices))]
        case IntDistribution():
            return rng.randrange(distribution.low, distribution.high + 1)
        case FloatDistribution(low=low, high=high, log=log):
            return number_at(rng.random(), low, high, log)
    raise AssertionError(f"no hole has a {type(distribution).__name__}")


def differently(distribution: BaseDistribution, value: Any, rng: random.Random) -> Any:
    """Another value. For a number, half of the time a near one.

    A whole number goes one up or down; another number takes a normal step, whose deviation is a tenth of the range.
    """
    match distribution:
        case CategoricalDistribution():
            others = [option for option in distribution.choices if not same(option, value)]
            return others[rng.randrange(len(others))] if others else value
        case IntDistribution():
            others = [n for n in range(distribution.low, distribution.high + 1) if n != value]
            near = [n for n in others if abs(n - value) == 1]
            pool = near if near and rng.random() < 0.5 else others
            return pool[rng.randrange(len(pool))] if pool else value
        case FloatDistribution() if rng.random() < 0.5:
            low, high = distribution.low, distribution.high
            if distribution.log:
                moved = value * (high / low) ** rng.gauss(0, 0.1)
            else:
                moved = value + (high - low) * rng.gauss(0, 0.1)
            return min(high, max(low, moved))
    return fresh(distribution, rng)


def is_option(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value is one that a hole may have."""
    if isinstance(distribution, CategoricalDistribution):
        return any(same(option, value) for option in distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return type(value) in (int, float) and bool(distribution.low <= value <= distribution.high)
