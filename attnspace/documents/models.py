"""The base class of all models of documents."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Strict"]


class Strict(BaseModel):
    """A frozen model; unknown keys are refused, and values are never coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
