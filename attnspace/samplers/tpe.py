"""Optuna's tree-structured Parzen estimator, one for each group of holes that are asked together."""

from __future__ import annotations

import warnings

import optuna
from optuna.samplers import TPESampler

from attnspace.samplers.registry import sampler
from attnspace.space.space import Space

__all__ = ["tpe"]


@sampler("tpe")
def tpe(space: Space, seed: int) -> TPESampler:
    """Optuna's TPE sampler, multivariate and by groups, after ten random trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(
            n_startup_trials=10, n_ei_candidates=24, multivariate=True, group=True, constant_liar=False, seed=seed
        )
