"""Optuna as the suggestion service: it is told what the ledger holds and asked for the next design.

Its storage lives in memory and is filled from the ledger, so that there is one record only, and a resumed search hears
exactly what an uninterrupted one would have heard. Each question is asked with a sampler seeded for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from attnspace.samplers import keeps_order, make
from attnspace.samplers.history import History
from attnspace.samplers.tree import TreeSampler
from attnspace.space.space import Filling, Space

__all__ = ["Suggester"]

ATTEMPTS = 20
"""Suggestions to hear for one trial before drawing at random: samplers repeat themselves by design."""


class Suggester:
    """Suggests fillings of a space.

    Args:
        space: what is searched.
        sampler: what suggests.
        seed: of all questions.
        directions: of the objectives.
        primary: the index of the objective that designs are for; others are costs.
    """

    def __init__(
        self,
        space: Space,
        sampler: str,
        seed: int,
        directions: Sequence[Literal["maximize", "minimize"]],
        primary: int = 0,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._name = sampler
        self._seed = seed
        self._distributions = space.distributions()
        self._reported: dict[Hashable, int] = {}
        # One order of the whole space, gone through from its beginning in each sitting: what is known is passed over.
        self._fixed: BaseSampler | None = make(sampler, space, seed) if keeps_order(sampler) else None
        self._sampler = self._fixed
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            sampler=optuna.samplers.RandomSampler(seed=seed),
            pruner=optuna.pruners.NopPruner(),
            directions=list(directions),
        )
        self._study_number = self._storage.get_study_id_from_name(self._study.study_name)
        self._history = History(self._study.directions, primary)

    @property
    def is_exhaustive(self) -> bool:
        """Whether it goes through the whole space, once."""
        return self._fixed is not None

    @property
    def attempts(self) -> int:
        """How many suggestions to hear for one trial."""
        return self._space.template.count if self.is_exhaustive else ATTEMPTS

    def tell(self, key: Hashable, choices: Mapping[str, Any], values: Sequence[float]) -> int:
        """Report the values of a trial, or others of a trial that was reported before; return its index."""
        if key in self._reported:
            self.change([self._reported[key]], values)
            return self._reported[key]
        distributions: dict[str, BaseDistribution] = {name: self._distributions[name] for name in choices}
        trial = optuna.trial.create_trial(params=dict(choices), distributions=distributions, values=list(values))
        # `Study.add_trial` does this and does not say which trial it made; to look for it takes longer with each trial.
        number = self._storage.create_new_trial(self._study_number, template_trial=trial)
        # What an in-memory storage holds are the trials themselves; a test holds Optuna to that.
        self._reported[key] = self._history.add(self._storage.get_trial(number))
        return self._reported[key]

    def change(self, indices: Sequence[int] | np.ndarray, values: Sequence[float] | np.ndarray) -> None:
        """Report other values of trials that were reported before: (indices, objectives)."""
        self._history.change(indices, values)

    def forget(self, key: Hashable) -> int | None:
        """Report that a trial has failed after values were reported of it; return its index, None if it has none."""
        index = self._reported.get(key)
        if index is not None:
            self._history.drop(index)
        return index

    def ask(self, trial: int, attempt: int) -> Filling:
        """A suggestion for the trial of this number; the same question after the same reports has the same answer.

        Attempts begin at 0; further ones ask the sampler of the first one again.
        """
        if attempt == 0 and self._fixed is None:
            question_seed = hashlib.sha256(f"{self._seed}/{trial}".encode()).digest()[:4]
            self._sampler = make(self._name, self._space, int.from_bytes(question_seed, "big"))
        sampler = self._sampler
        assert sampler is not None, "the first attempt makes it"
        if isinstance(sampler, TreeSampler):
            sampler.history = self._history
        else:
            self._history.write()
        self._study.sampler = sampler
        question = self._study.ask()
        try:
            return self._space.suggest(question)
        finally:
            # What was evaluated is added by `tell`, in a resumed search as in this one.
            self._study.tell(question, state=TrialState.FAIL)
