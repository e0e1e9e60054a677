"""Families: open sets of models, each known by its `kind`, and registered by being declared.

A *family* is declared with `class Layer(Node, family=True)`; each of its subclasses with a `kind` of its own is a
member. A field annotated with a family accepts any member: the discriminated union is read off the registry when the
first document is parsed, so that a member that is declared in another file, or in a user's module, is accepted
everywhere at once.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from attnspace.documents.models import Strict

__all__ = ["Member", "Registry", "fault", "is_family", "kind_of", "refresh"]


def fault(
    what: str, *, at: tuple[str | int, ...] = (), allowed: str | None = None, remedy: str | None = None
) -> PydanticCustomError:
    """An error to raise inside a pydantic validator; `at` is relative to the model being validated."""
    return PydanticCustomError("fault", "{what}", {"what": what, "at": at, "allowed": allowed, "remedy": remedy})


Dependent = TypeVar("Dependent", bound=BaseModel)


class Registry:
    """The families of one vocabulary, and the models that have a field of one of them.

    Attributes:
        families: name -> family.
        dependents: models that are no members but have a field of a family; they are rebuilt with the families.
        before_building: functions that are called before the models are rebuilt.
        stale: whether a member was declared since the unions were last built.
    """

    def __init__(self) -> None:
        self.families: dict[str, type[Member]] = {}
        self.dependents: list[type[BaseModel]] = []
        self.before_building: list[Callable[[], None]] = []
        self.stale = False
        _registries.append(self)

    def dependent(self, model: type[Dependent]) -> type[Dependent]:
        """Have a model that is no member, but has a field of a family, rebuilt with the families. A decorator."""
        self.dependents.append(model)
        return model

    def refresh(self) -> None:
        """Rebuild the unions if a member was declared since the last time."""
        if not self.stale:
            return
        for prepare in self.before_building:
            prepare()
        models: list[type[BaseModel]] = [
            model for family in self.families.values() for model in (*family.members.values(), family)
        ]
        models += self.dependents
        for model in models:
            for built in ("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__"):
                if built in model.__dict__:
                    delattr(model, built)
        for model in models:
            model.model_rebuild(force=True)
        self.stale = False


_registries: list[Registry] = []


def refresh() -> None:
    """Refresh every registry, so that all members declared by now are accepted. Called before parsing."""
    for registry in _registries:
        registry.refresh()


class Member(Strict):
    """A model that says what it is by its `kind`."""

    model_config = ConfigDict(defer_build=True)

    registry: ClassVar[Registry]
    """The registry that keeps the families of this vocabulary."""

    members: ClassVar[dict[str, type[Any]]]
    """The members of the family, by kind."""

    shorthand: ClassVar[bool] = False
    """Whether the bare kind may stand for the whole member: `"avg"` for `{"kind": "avg"}`."""

    default_kind: ClassVar[str | None] = None
    """Set by a family: the kind of data that name none; data with the key `import` are of the kind `import`."""

    def __init_subclass__(cls, *, family: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)  # what `family` says is taken in below, when the fields are known

    @classmethod
    def __pydantic_init_subclass__(cls, *, family: bool = False, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if family:
            cls.members = {}
            cls.registry.families[cls.__name__.lower()] = cls
            return
        kinds = typing.get_args(cls.model_fields["kind"].annotation) if "kind" in cls.model_fields else ()
        if not hasattr(cls, "members"):  # the base of a vocabulary
            return
        if len(kinds) != 1:  # the base of several members
            cls._must_be_base()
            return
        (kind,) = kinds
        if taken := cls.members.get(kind):
            raise TypeError(f"kind {kind!r} is already {taken.__module__}.{taken.__qualname__}")
        cls.members[kind] = cls
        cls.registry.stale = True

    @classmethod
    def _must_be_base(cls) -> None:
        """Refuse a class that can be no base: all that its family leaves open is done, or its kind is no literal.

        Raises:
            TypeError: it is a member that lacks its kind.
        """
        if inspect.isabstract(cls):
            return
        declared = "kind" in inspect.get_annotations(cls)
        if declared or inspect.isabstract(cls.family()):
            got = repr(cls.model_fields["kind"].annotation) if declared else "none"
            raise TypeError(
                f"{cls.__module__}.{cls.__qualname__} has no kind of its own; got {got}; allowed: one name, as in "
                '`kind: Literal["mine"] = "mine"`; add this line, or leave a method of the family to the classes below'
            )

    first: ClassVar[tuple[str, ...]] = ()
    """Set by a family: the kinds that schemas list before the others, in this order."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if not is_family(cls):
            return handler(source)
        default = cls.default_kind
        kinds = dict.fromkeys((*(kind for kind in cls.first if kind in cls.members), *cls.members))
        union = core_schema.tagged_union_schema(
            {kind: handler.generate_schema(cls.members[kind]) for kind in kinds},
            discriminator="kind" if default is None else lambda data: kind_of(data, default),
        )
        if not cls.shorthand:
            return union
        return core_schema.no_info_before_validator_function(
            lambda value: {"kind": value} if isinstance(value, str) else value,
            union,
            json_schema_input_schema=core_schema.union_schema([core_schema.literal_schema(cls._bare()), union]),
        )

    @classmethod
    def _bare(cls) -> list[str]:
        """The kinds whose members have no required field, so that the bare kind is enough."""
        kinds = cls.members.items()
        return sorted(k for k, m in kinds if not any(f.is_required() for f in m.model_fields.values()))

    @classmethod
    def family(cls) -> type[Member]:
        """The family that this member belongs to."""
        return next(base for base in cls.__mro__ if is_family(base))


def is_family(cls: type) -> bool:
    """Whether `cls` is a family, not a member of one."""
    return "members" in cls.__dict__


def kind_of(data: Any, default: str) -> str:
    """The kind of a study's section: the one it names, else `import` if it has that key, else `default`."""
    if not isinstance(data, dict):
        return str(getattr(data, "kind", default))
    return str(data.get("kind", "import" if "import" in data else default))
