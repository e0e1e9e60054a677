"""Every filling of a space once, in random order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from attnspace.errors import SpaceError
from attnspace.samplers.registry import sampler
from attnspace.space.space import Space

__all__ = ["Exhaustive"]

LARGEST = 1_000_000


@sampler("exhaustive", keeps_order=True)
class Exhaustive(BaseSampler):
    """Answers the n-th trial with the n-th filling of the space, in an order that the seed draws.

    Any beginning of it is a uniform sample without replacement. After the last filling it begins again.

    Args:
        space: the space that is gone through.
        seed: the seed of the order.

    Raises:
        SpaceError: the space has more than a million fillings.
    """

    def __init__(self, space: Space, seed: int = 0) -> None:
        if not space.size() <= LARGEST:
            raise SpaceError(
                "is too large to go through",
                got=space.size(),
                allowed=f"up to {LARGEST:,} fillings",
                remedy="choose another sampler",
            )
        self._space = space
        self._order = random.Random(seed).sample(range(int(space.size())), int(space.size()))
        self._position = 0
        self._answers: tuple[int, Mapping[str, Any]] = (-1, {})

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self._answers[0] != trial.number:
            self._answers = (trial.number, self._space.at(self._order[self._position % len(self._order)]).choices)
            self._position += 1
        return self._answers[1][param_name]
