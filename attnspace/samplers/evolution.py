"""Regularised evolution: a good design among the recent ones, with a change.

Source: Real et al., Regularized Evolution for Image Classifier Architecture Search, arXiv 1802.01548, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attnspace.samplers.dominance import dominance_counts, in_reach
from attnspace.samplers.history import History
from attnspace.samplers.registry import sampler
from attnspace.samplers.tree import TreeSampler
from attnspace.space.space import Space

__all__ = ["Evolution"]


class Evolution(TreeSampler):
    """Draws a few of the most recent trials and changes the best of them at one hole or, ever less often, at more.

    With several objectives, the one that the fewest others dominate is the best, among those in reach of the best.

    Args:
        seed: the seed of everything that is drawn.
        startup: how many trials are drawn at random first.
        population: how many of the most recent trials may be drawn for the tournament.
        tournament: how many trials are drawn and compared.
    """

    def __init__(self, seed: int | None = None, startup: int = 10, population: int = 50, tournament: int = 10) -> None:
        super().__init__(seed, startup)
        self.population = population
        self.tournament = tournament

    def plan(self, history: History) -> Mapping[str, Any]:
        recent, points = history.trials[-self.population :], history.points[-self.population :]
        drawn = self.rng.sample(range(len(recent)), min(self.tournament, len(recent)))
        is_far = ~in_reach(points, history.primary)[drawn]
        parent = recent[drawn[int(np.lexsort((dominance_counts(points[drawn]), is_far))[0])]]
        return self.mutate(parent, parent.params)


@sampler("evolution")
def _made(space: Space, seed: int) -> Evolution:
    return Evolution(seed=seed)
