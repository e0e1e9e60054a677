"""The registry of samplers: their names, and how each is made."""

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
"""A function that makes a sampler for a space, with a seed."""


@dataclass(frozen=True)
class _Registered:
    factory: Factory
    keeps_order: bool


_SAMPLERS: dict[str, _Registered] = {}

_FIRST = ("forest", "tpe", "evolution", "nsga2", "random", "exhaustive")
"""The samplers that messages and schemas list first, in this order; others come after them."""


def sampler(name: str, *, keeps_order: bool = False) -> Callable[[Factory], Factory]:
    """Register a factory, or a class whose arguments are a space and a seed, so that studies may name it. A decorator.

    Args:
        name: its name in `search.sampler`.
        keeps_order: whether it goes through the space in an order of its own, so that one object serves a whole
            search; other samplers are made anew for each trial, with a seed of its own.

    Raises:
        ValueError: when it decorates: another sampler has this name.
    """

    def register(factory: Factory) -> Factory:
        if name in _SAMPLERS:
            raise ValueError(
                f"a sampler is called so already; got {name!r}; allowed: a name other than {', '.join(names())}; "
                "give it another name"
            )
        _SAMPLERS[name] = _Registered(factory, keeps_order)
        sections_changed()
        return factory

    return register


def names() -> list[str]:
    """The names of the samplers that a study may use."""
    return list(dict.fromkeys((*(name for name in _FIRST if name in _SAMPLERS), *_SAMPLERS)))


def keeps_order(name: str) -> bool:
    """Whether a sampler goes through the space in an order of its own, once."""
    return _SAMPLERS[name].keeps_order


def make(name: str, space: Space, seed: int) -> BaseSampler:
    """Make the sampler of this name for a space.

    Raises:
        SpaceError: the sampler cannot sample this space.
    """
    return _SAMPLERS[name].factory(space, seed)


SamplerName = Annotated[str, OneOf(names)]
