"""random: each hole by itself, every option as likely, by Optuna."""

from __future__ import annotations

from optuna.samplers import RandomSampler

from attnspace.samplers.registry import sampler
from attnspace.space.space import Space

__all__ = ["uniform"]


@sampler("random")
def uniform(space: Space, seed: int) -> RandomSampler:
    """Optuna's random sampler."""
    return RandomSampler(seed=seed)
