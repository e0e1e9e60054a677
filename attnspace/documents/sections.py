"""Sections: the parts of a study file, as frozen models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

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

    def located(self, folder: Path) -> Self:
        """The same section, with the paths of files that it names made absolute; `folder` is the study's folder."""
        return self

    def code(self) -> str | None:
        """A fingerprint of the function that the section imports; None if it imports none."""
        return None


def sections_changed() -> None:
    """Have all sections rebuilt before the next parsing: the names that they accept have changed."""
    _REGISTRY.stale = True
