"""NSGA-II on trees of holes.

Optuna's own crosses only the parameters that all trials share and draws the others at random; in a space of
alternatives that is almost all of them. Here a child is asked for its holes from the outside in and answers each as
one of two parents did.

Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary
Computation 6(2), 2002, sections III.A and III.B.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from attnspace.samplers.history import History
from attnspace.samplers.registry import sampler
from attnspace.samplers.tree import TreeSampler
from attnspace.space.space import Space

__all__ = ["NSGA2"]


class NSGA2(TreeSampler):
    """Two parents win tournaments among the best trials; the child inherits from both, and a hole or two are changed.

    Args:
        seed: the seed of everything that is drawn.
        startup: how many trials are drawn at random first.
        population: how many of the best trials may be parents.
        crossover: probability of a second parent.
    """

    def __init__(
        self, seed: int | None = None, startup: int = 10, population: int = 10, crossover: float = 0.9
    ) -> None:
        super().__init__(seed, startup)
        self.population = population
        self.crossover = crossover

    def plan(self, history: History) -> Mapping[str, Any]:
        best = history.best(self.population)
        one, other = self._winner(best), self._winner(best)
        answers = dict(one.params)
        if self.rng.random() < self.crossover:
            for name, value in other.params.items():
                if name not in answers or self.rng.random() < 0.5:
                    answers[name] = value
        return self.mutate(one, answers)

    def _winner(self, best: Sequence[FrozenTrial]) -> FrozenTrial:
        """The better of two trials that are drawn at random from the best ones."""
        return best[min(self.rng.randrange(len(best)), self.rng.randrange(len(best)))]


@sampler("nsga2")
def _made(space: Space, seed: int) -> NSGA2:
    return NSGA2(seed=seed)
