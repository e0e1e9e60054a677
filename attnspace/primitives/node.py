"""What every primitive has in common: a frozen pydantic model with a `kind`, registered by being declared.

A *family* (Block, Squeeze, Statistic, Layer) is a direct subclass of Node. Each of its subclasses is a
member, known by the default of its `kind` field. A field annotated with a family accepts any member:
the discriminated union is read off the registry when the first spec is parsed, so that a primitive
declared in another file, or in a user's module, is accepted everywhere at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, to_json

__all__ = ["Grid", "Node", "families", "fault", "grid_of", "in_order", "refresh"]


@dataclass(frozen=True)
class Grid:
    """The values of a field that are worth trying; the field's bounds say what is valid."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


def fault(
    what: str, *, at: tuple[str | int, ...] = (), allowed: str | None = None, remedy: str | None = None
) -> PydanticCustomError:
    """An error to raise inside a pydantic validator; `at` is relative to the model being validated."""
    return PydanticCustomError("fault", "{what}", {"what": what, "at": at, "allowed": allowed, "remedy": remedy})


class Node(BaseModel):
    """One node of a spec. Frozen; unknown keys are refused; values are never coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    members: ClassVar[dict[str, type[Any]]]
    shorthand: ClassVar[bool] = False
    """Whether the bare kind may be written for the node: `"avg"` for `{"kind": "avg"}`."""

    searched: ClassVar[bool] = True
    """Whether `{"$any": ...}` offers it."""

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if is_family(cls):
            cls.members = {}
            _registry.families[cls.__name__.lower()] = cls
        elif (kind := cls.model_fields["kind"].default) in cls.members:
            taken = cls.members[kind]
            raise TypeError(f"kind {kind!r} is already {taken.__module__}.{taken.__qualname__}")
        elif isinstance(kind, str):
            cls.members[kind] = cls
            _registry.stale = True

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if not is_family(cls):
            return handler(source)
        union = core_schema.tagged_union_schema(
            {kind: handler.generate_schema(member) for kind, member in cls.members.items()}, discriminator="kind"
        )
        if not cls.shorthand:
            return union
        return core_schema.no_info_before_validator_function(
            lambda value: {"kind": value} if isinstance(value, str) else value,
            union,
            json_schema_input_schema=core_schema.union_schema([core_schema.literal_schema(cls._bare()), union]),
        )

    @model_serializer(mode="wrap")
    def _shortest(self, handler: SerializerFunctionWrapHandler) -> Any:
        """As a user would write it: without the fields that keep their default."""
        fields = type(self).model_fields
        written = {
            name: value
            for name, value in handler(self).items()
            if name == "kind" or fields[name].is_required() or getattr(self, name) != fields[name].default
        }
        return written["kind"] if self.shorthand and len(written) == 1 else written

    @classmethod
    def _bare(cls) -> list[str]:
        """The members of a family that need no field, so that their kind is enough."""
        kinds = cls.members.items()
        return sorted(k for k, m in kinds if not any(f.is_required() for f in m.model_fields.values()))

    def label(self) -> str:
        """A few characters for tables and plots."""
        return self.kind

    @classmethod
    def family(cls) -> type[Node]:
        """The family that this primitive belongs to."""
        return next(base for base in cls.__mro__ if is_family(base))

    @classmethod
    def any_of(cls) -> Any:
        """What `{"$any": ...}` stands for here: the kind, and a hole for each field with a grid."""
        grids = {field: grid_of(cls, field) for field in cls.model_fields}
        return {
            "kind": cls.model_fields["kind"].default,
            **{field: {"$choice": list(grid)} for field, grid in grids.items() if grid},
        }

    def canonical(self) -> Self:
        """A resolved node with what commutes in one order: what the identity is taken of, never what is built."""
        changes = {name: _canonical(getattr(self, name)) for name in type(self).model_fields if name != "kind"}
        return self.with_(**{name: value for name, value in changes.items() if value is not getattr(self, name)})

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed; the values are trusted."""
        return self.model_copy(update=changes) if changes else self


def _canonical(value: Any) -> Any:
    if isinstance(value, tuple):
        items = tuple(_canonical(item) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value.canonical() if hasattr(value, "canonical") else value


def in_order(nodes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Nodes, or tuples of them, whose order does not matter, in the one order that a canonical form has."""
    return tuple(sorted(nodes, key=lambda node: to_json(node)))


class _Registry:
    """Which families exist, and whether a primitive was declared since the unions were last built."""

    families: dict[str, type[Node]]

    def __init__(self) -> None:
        self.families = {}
        self.stale = False


_registry = _Registry()


def is_family(cls: type) -> bool:
    """Whether `cls` is a family, not a member of one."""
    return Node in cls.__bases__


def families() -> dict[str, type[Node]]:
    """Name -> family: block, squeeze, statistic, layer."""
    return dict(_registry.families)


def refresh() -> None:
    """Build the unions again if a primitive was declared since the last time. Called before parsing."""
    if not _registry.stale:
        return
    models = [model for family in _registry.families.values() for model in (*family.members.values(), family)]
    for model in models:
        for built in ("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__"):
            if built in model.__dict__:
                delattr(model, built)
    for model in models:
        model.model_rebuild(force=True)
    _registry.stale = False


def grid_of(model: type[Node], field: str) -> tuple[Any, ...]:
    """The values worth trying for one field, empty if it is not searched."""
    return next((item.values for item in model.model_fields[field].metadata if isinstance(item, Grid)), ())
