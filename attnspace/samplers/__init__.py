"""What suggests designs: Optuna samplers, two of them Optuna's own.

nsga2        children of two of the ten best designs so far; the default, by measurement
evolution    regularised evolution: a good recent design with a change
tpe          Optuna's tree-structured Parzen estimator, one for each group of holes that are asked together
random       each hole by itself, every option as likely
exhaustive   every filling once, in random order
"""

from __future__ import annotations

import warnings
from typing import Literal

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from attnspace.samplers.evolution import Evolution
from attnspace.samplers.exhaustive import Exhaustive
from attnspace.samplers.nsga2 import NSGA2
from attnspace.space import Space

__all__ = ["Evolution", "Exhaustive", "NSGA2", "SamplerName", "make"]

SamplerName = Literal["tpe", "evolution", "nsga2", "random", "exhaustive"]


def make(name: SamplerName, space: Space, seed: int, order: int) -> BaseSampler:
    """A sampler for one question.

    Args:
        name: which.
        space: what it samples.
        seed: of this question.
        order: of all questions of a search, for the order in which `exhaustive` goes through the space.
    """
    match name:
        case "random":
            return RandomSampler(seed=seed)
        case "evolution":
            return Evolution(seed=seed)
        case "nsga2":
            return NSGA2(seed=seed)
        case "exhaustive":
            return Exhaustive(space, seed=order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(
            n_startup_trials=10,
            n_ei_candidates=24,
            multivariate=True,
            group=True,
            constant_liar=False,
            seed=seed,
        )
