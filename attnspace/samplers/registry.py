"""What a sampler is called, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from optuna.samplers import BaseSampler

from attnspace.documents.names import OneOf
from attnspace.documents.sections import sections_changed
from attnspace.space.space import Space

__all__ = ["Factory", "SamplerName", "keeps_order", "make", "names", "sampler"]

Factory = Callable[[Space, int], BaseSampler]
"""A space and a seed into a sampler."""


@dataclass(frozen=True)
class _Registered:
    factory: Factory
    keeps_order: bool


_SAMPLERS: dict[str, _Registered] = {}

_FIRST = ("tpe", "evolution", "nsga2", "random", "exhaustive")
"""In this order messages and schemas have them; what else is registered comes after these."""


def sampler(name: str, *, keeps_order: bool = False) -> Callable[[Factory], Factory]:
    """Decorates a factory, or a class whose arguments are a space and a seed: a study may name it.

    Args:
        name: what `search.sampler` calls it.
        keeps_order: whether it goes through the space in an order of its own, so that one object answers all questions
            of a search; the others are made anew for each question, with a seed of its own.
    """

    def register(factory: Factory) -> Factory:
        _SAMPLERS[name] = _Registered(factory, keeps_order)
        sections_changed()
        return factory

    return register


def names() -> list[str]:
    """The samplers that a study may name."""
    return list(dict.fromkeys((*(name for name in _FIRST if name in _SAMPLERS), *_SAMPLERS)))


def keeps_order(name: str) -> bool:
    """Whether a sampler goes through the space in an order of its own, once."""
    return _SAMPLERS[name].keeps_order


def make(name: str, space: Space, seed: int) -> BaseSampler:
    """A sampler by its name.

    Raises:
        SpaceError: it cannot sample this space.
    """
    return _SAMPLERS[name].factory(space, seed)


SamplerName = Annotated[str, OneOf(names)]
