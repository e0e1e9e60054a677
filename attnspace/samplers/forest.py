"""A model of the answers: a random forest learns what designs come to, and the most promising of many is next.

Source: Hutter, Hoos and Leyton-Brown, Sequential Model-Based Optimization for General Algorithm Configuration, LION 5,
2011: the forest, expected improvement, candidates near the best and at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial
from scipy.stats import norm

from attnspace.samplers.coding import Coding
from attnspace.samplers.history import History
from attnspace.samplers.registry import sampler
from attnspace.samplers.tree import TreeSampler, fresh, is_option
from attnspace.space.space import Space
from attnspace.space.template import Parameter

__all__ = ["Forest"]

TREES, LEAF, SHARE = 30, 2, 0.5
MOST = 500
"""Trials that a forest learns from: the better half are the best, the others the latest."""


class Forest(TreeSampler):
    """Of many candidates, random ones and children of the best, the one with the largest expected improvement.

    Asked again while nothing new is known, it gives the next best candidate. It is for one objective; with several,
    NSGA-II finds more.

    Args:
        space: what is searched.
        seed: the seed of everything that is drawn.
        startup: how many trials are drawn at random first.
        candidates: how many random designs are compared.
        children: how many children of the best are compared.
        population: how many of the best trials have children.
        adventure: the share of trials that are drawn at random all the same.
    """

    def __init__(
        self,
        space: Space,
        seed: int | None = None,
        startup: int = 20,
        candidates: int = 300,
        children: int = 100,
        population: int = 10,
        adventure: float = 0.1,
    ) -> None:
        super().__init__(seed, startup)
        self.space = space
        self.candidates = candidates
        self.children = children
        self.population = population
        self.adventure = adventure
        self._coding = Coding(space)
        self._distributions = space.distributions()
        self._known = 0
        self._ranked: Iterator[Mapping[str, Any]] = iter(())

    def plan(self, history: History) -> Mapping[str, Any]:
        if history.points.shape[1] > 1:
            raise ValueError("a forest is for one objective; got several; use NSGA2")
        if len(history) != self._known:
            self._known = len(history)
            is_random = self.rng.random() < self.adventure
            self._ranked = iter(()) if is_random else self._candidates(history)
        return next(self._ranked, {})

    def _candidates(self, history: History) -> Iterator[Mapping[str, Any]]:
        """Candidates, the most promising first."""
        from sklearn.ensemble import RandomForestRegressor  # slow to import, and only this sampler needs it

        values = history.points[:, 0]
        chosen = _chosen(values)
        trials = history.trials
        model = RandomForestRegressor(
            TREES, min_samples_leaf=LEAF, max_features=SHARE, random_state=self.rng.randrange(2**31), n_jobs=1
        )
        known = self._coding([trials[i].params for i in chosen])
        model.fit(known, values[chosen])
        pool = [dict(self.space.sample(self.rng).choices) for _ in range(self.candidates)]
        parents = [trials[i] for i in np.argsort(-values, kind="stable")[: self.population]]
        pool += [self._child(parents[number % len(parents)]) for number in range(self.children)]
        rows = self._coding(pool).astype(np.float32)
        predicted = np.stack([tree.predict(rows) for tree in model.estimators_])
        mean, deviation = predicted.mean(0), predicted.std(0) + 1e-12
        lead = mean - model.predict(known).max()  # not of what was found, whose best owes something to luck
        improvement = lead * norm.cdf(lead / deviation) + deviation * norm.pdf(lead / deviation)
        for index in np.argsort(-improvement, kind="stable"):
            yield pool[int(index)]

    def _child(self, parent: FrozenTrial) -> dict[str, Any]:
        """The answers of a trial with a change; holes that it was not asked are answered at random."""
        planned = self.mutate(parent, parent.params)

        def answer(hole: Parameter) -> Any:
            distribution = self._distributions[hole.name]
            if hole.name in planned and is_option(distribution, planned[hole.name]):
                return planned[hole.name]
            return fresh(distribution, self.rng)

        return dict(self.space.filled(answer).choices)


def _chosen(values: np.ndarray) -> np.ndarray:
    """The indices of the trials that a forest learns from: all, or of many the best and the latest."""
    if len(values) <= MOST:
        return np.arange(len(values))
    best = np.argsort(-values, kind="stable")[: MOST // 2]
    others = np.setdiff1d(np.arange(len(values)), best)
    return np.sort(np.concatenate([best, others[-(MOST - len(best)) :]]))


@sampler("forest")
def _made(space: Space, seed: int) -> Forest:
    return Forest(space, seed)
