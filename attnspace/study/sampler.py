"""Optuna as the suggestion service: it is told what the ledger holds and asked for the next design.

Its storage lives in memory and is filled from the ledger, so that there is one record only, and a resumed search hears
exactly what an uninterrupted one would have heard. Each question is asked with a sampler seeded for it.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from attnspace.space import Filling, Space

__all__ = ["Suggester"]


class Suggester:
    """Suggests fillings of a space."""

    def __init__(
        self, space: Space, sampler: Literal["tpe", "random"], seed: int, direction: Literal["maximize", "minimize"]
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._sampler = sampler
        self._seed = seed
        self._distributions: dict[str, BaseDistribution] = {
            hole.name: IntDistribution(*hole.integers) if hole.integers else CategoricalDistribution(hole.labels)
            for hole in space.holes()
        }
        self._study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(),
            sampler=optuna.samplers.RandomSampler(seed=seed),
            pruner=optuna.pruners.NopPruner(),
            direction=direction,
        )

    def tell(self, choices: Mapping[str, Any], value: float) -> None:
        """Report the value of a finished trial."""
        distributions = {name: self._distributions[name] for name in choices}
        self._study.add_trial(optuna.trial.create_trial(params=dict(choices), distributions=distributions, value=value))

    def ask(self, trial: int, attempt: int) -> Filling:
        """A suggestion for the trial of this number; the same question after the same reports has the same answer."""
        self._study.sampler = self._make_sampler(f"{self._seed}/{trial}/{attempt}")
        question = self._study.ask()
        try:
            return self._space.suggest(question)
        finally:
            # What was evaluated is added by `tell`, in a resumed search as in this one.
            self._study.tell(question, state=optuna.trial.TrialState.FAIL)

    def _make_sampler(self, question: str) -> optuna.samplers.BaseSampler:
        seed = int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big")
        if self._sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                n_startup_trials=10,
                n_ei_candidates=24,
                multivariate=True,
                group=True,
                constant_liar=False,
                seed=seed,
            )
