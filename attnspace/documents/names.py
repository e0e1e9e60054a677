"""Fields that hold one of several registered names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

__all__ = ["OneOf"]


@dataclass(frozen=True)
class OneOf:
    """Marks a text field, `Annotated[str, OneOf(names)]`, that holds one of the names that are registered by now.

    The model has to be a section, which is built again when something is registered.
    """

    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.names()))
