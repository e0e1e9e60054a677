"""What every primitive has in common: a frozen pydantic model with a `kind`, registered by being declared.

The families are Block, Squeeze, Statistic and Layer, see `attnspace.documents.families`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer
from pydantic_core import to_json

from attnspace.documents.families import Member, Registry

__all__ = ["Grid", "Node", "families", "grid_of", "in_order"]

_REGISTRY = Registry()


@dataclass(frozen=True)
class Grid:
    """The values of a field that are worth trying; the field's bounds say what is valid."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


class Node(Member):
    """One node of a spec. Frozen; unknown keys are refused; values are never coerced."""

    registry: ClassVar[Registry] = _REGISTRY

    searched: ClassVar[bool] = True
    """Whether `{"$any": ...}` offers the primitive."""

    kind: str

    @model_serializer(mode="wrap")
    def _shortest(self, handler: SerializerFunctionWrapHandler) -> Any:
        """Serialise a node as a user would write it, without the fields that keep their default."""
        fields = type(self).model_fields
        written = {
            name: value
            for name, value in handler(self).items()
            if name == "kind" or fields[name].is_required() or getattr(self, name) != fields[name].default
        }
        return written["kind"] if self.shorthand and len(written) == 1 else written

    def label(self) -> str:
        """The node in a few characters, for tables and plots."""
        return self.kind

    @classmethod
    def any_of(cls) -> Any:
        """The data that `{"$any": ...}` stands for: the kind, and a hole for each field with a grid."""
        grids = {field: grid_of(cls, field) for field in cls.model_fields}
        return {
            "kind": cls.model_fields["kind"].default,
            **{field: {"$choice": list(grid)} for field, grid in grids.items() if grid},
        }

    def canonical(self) -> Self:
        """A resolved node whose parts stand in one order where theirs does not matter; hashed, but never built."""
        changes = {name: _canonical(getattr(self, name)) for name in type(self).model_fields if name != "kind"}
        return self.with_(**{name: value for name, value in changes.items() if value is not getattr(self, name)})

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed; the values are not validated again."""
        return self.model_copy(update=changes) if changes else self


def _canonical(value: Any) -> Any:
    if isinstance(value, tuple):
        items = tuple(_canonical(item) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value.canonical() if hasattr(value, "canonical") else value


def in_order(nodes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sort nodes, or tuples of them, whose order does not matter into the one order of the canonical form."""
    return tuple(sorted(nodes, key=lambda node: to_json(node)))


def families() -> dict[str, type[Any]]:
    """Name -> family: block, squeeze, statistic, layer."""
    return dict(_REGISTRY.families)


def grid_of(model: type[Node], field: str) -> tuple[Any, ...]:
    """The values worth trying for one field, empty if it is not searched."""
    return next((item.values for item in model.model_fields[field].metadata if isinstance(item, Grid)), ())
