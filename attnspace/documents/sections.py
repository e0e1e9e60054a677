"""Sections: the parts of a study file, as frozen models."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict

from attnspace.documents.families import Member, Registry
from attnspace.documents.models import Strict

__all__ = ["Kind", "Section", "sections_changed"]

_REGISTRY = Registry()


class Section(Strict):
    """A part of a study file."""

    model_config = ConfigDict(defer_build=True)

    registry: ClassVar[Registry] = _REGISTRY

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not issubclass(cls, Member):
            cls.registry.dependent(cls)


class Kind(Member):
    """A section of which there are several kinds, each declared in a file of its own: data, backbone, train."""

    registry: ClassVar[Registry] = _REGISTRY


def sections_changed() -> None:
    """Have all sections rebuilt before the next parsing: the names that they accept have changed."""
    _REGISTRY.stale = True
