"""Where slots are to be opened: modules that are found by patterns of their names, and by their types."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator
from torch import nn

from attnspace.documents.families import fault
from attnspace.documents.models import Strict
from attnspace.documents.sections import Section
from attnspace.documents.validation import did_you_mean, some_of, validate
from attnspace.errors import PlacementError
from attnspace.placement.position import Position
from attnspace.placement.sites import Layout, walked

__all__ = [
    "Modules",
    "Opening",
    "Openings",
    "can_open",
    "found_modules",
    "is_container",
    "parsed",
    "suggested",
    "user_modules",
]

Modules = Mapping[str, nn.Module]
"""The modules of a network, by name."""

Pattern = Annotated[str, Field(min_length=1, max_length=400)]


class Opening(Section):
    """Where slots of one position are: after or before the modules of some names, or after those of a type.

    In a name each part between dots is matched by itself, `*` standing for any characters of it; `**` is any parts.
    """

    after: Annotated[Pattern | None, Field(description="Names of the modules that they stand after.")] = None
    before: Annotated[Pattern | None, Field(description="Names of the modules that they stand before.")] = None
    type: Annotated[
        Pattern | None, Field(description="Only modules of this class, or of one that inherits from it.")
    ] = None
    fitting: Annotated[
        bool, Field(description="Only where a slot can be; else a place where none can be is a fault.")
    ] = False
    layout: Annotated[
        Layout | None, Field(description="How maps lie there, nchw or nhwc; null where it shows by itself.")
    ] = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if self.after and self.before:
            raise fault("stands after and before", remedy="give each side a position of its own")
        if not (self.after or self.before or self.type):
            raise fault("names no modules", allowed="after, before or type")
        return self

    @property
    def pattern(self) -> str:
        """The pattern of the module names that the slots are opened at."""
        return self.after or self.before or "**"


def _named(openings: dict[str, str | Opening]) -> dict[str, str | Opening]:
    for name in openings:
        try:
            _POSITION.validate_python(name)
        except ValidationError:
            allowed = "up to 40 small letters, digits and '_', beginning with a letter"
            raise fault(f"{name!r} is no name of a position", allowed=allowed) from None
    return openings


_POSITION = TypeAdapter(Position)

Openings = Annotated[dict[str, Pattern | Opening], Field(max_length=64), AfterValidator(_named)]
"""Where the slots of each position are, by position; a bare pattern means after."""


class _Given(Strict):
    slots: Openings


def parsed(slots: Mapping[str, Any]) -> dict[str, Opening]:
    """The openings of each position, a bare pattern meaning after.

    Raises:
        PlacementError: they are not written as they have to be.
    """
    if not isinstance(slots, Mapping):
        raise PlacementError(
            "slots are a mapping", got=slots, allowed='position -> pattern, such as {"residual": "layer*.*.bn2"}'
        )
    given = validate(_Given, {"slots": dict(slots)}, PlacementError).slots
    return {
        position: Opening(after=written) if isinstance(written, str) else written for position, written in given.items()
    }


def user_modules(model: nn.Module) -> Modules:
    """The modules of a network by name, each once, as if no slot were open: without sites and blocks."""
    return {name: module for name, module, is_ours in walked(model) if not is_ours}


def is_container(module: nn.Module) -> bool:
    """Whether a module is one of torch's containers, and not a class of its own that says how its children run."""
    kinds = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    return isinstance(module, kinds) and any(type(module).forward is kind.forward for kind in kinds)


def found_modules(modules: Modules, position: str, opening: Opening) -> dict[str, tuple[int, ...]]:
    """The modules that an opening names.

    Args:
        modules: those of the network, as `user_modules` gives them.
        position: whose opening it is.
        opening: what is looked for.

    Returns:
        name -> which parts of it the wildcards of the pattern stand for, those of `**` left out.

    Raises:
        PlacementError: there are none; its path is the position.
    """
    named = _named_so(modules, opening)
    if not named:
        common = dict.fromkeys(re.sub(r"\d+", "*", name) for name in modules)
        raise PlacementError(
            "matches no module",
            at=(position,),
            got=opening.pattern,
            allowed=some_of(common),
            remedy=did_you_mean(opening.pattern, [*common, *modules]),
        )
    found = _of_type(modules, named, opening)
    if not found:
        types = sorted({type(modules[name]).__name__ for name in named})
        remedy = did_you_mean(str(opening.type), types)
        raise PlacementError(
            "is the type of no such module", at=(position,), got=opening.type, allowed=some_of(types), remedy=remedy
        )
    return found


def can_open(modules: Modules, slots: Mapping[str, Any]) -> bool:
    """Whether every position has a module in a network."""
    return all(_of_type(modules, _named_so(modules, opening), opening) for opening in parsed(slots).values())


def _named_so(modules: Modules, opening: Opening) -> dict[str, tuple[int, ...]]:
    pattern = opening.pattern.split(".")
    matches = {name: _match(pattern, name.split(".")) for name in modules}
    return {name: stars for name, stars in matches.items() if stars is not None}


def _of_type(modules: Modules, named: dict[str, tuple[int, ...]], opening: Opening) -> dict[str, tuple[int, ...]]:
    return {
        name: stars for name, stars in named.items() if opening.type is None or opening.type in _types(modules[name])
    }


def suggested(modules: Modules) -> list[str]:
    """Patterns of modules that hold others and are named alike but for numbers; blocks of stages first."""
    alike: dict[str, int] = {}
    for name, module in modules.items():
        if any(module.children()):
            pattern = re.sub(r"\d+", "*", name)
            alike[pattern] = alike.get(pattern, 0) + 1
    repeated = [pattern for pattern, count in alike.items() if count > 1]
    return sorted(repeated, key=lambda pattern: (pattern.count("*") != 2, pattern.count(".")))


def _match(pattern: Sequence[str], name: Sequence[str], at: int = 0) -> tuple[int, ...] | None:
    """Which parts of a name the wildcards of a pattern stand for, `**` left out; None where it does not match."""
    if not pattern:
        return None if name[at:] else ()
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        tails = (_match(rest, name, i) for i in range(at, len(name) + 1))
        return next((tail for tail in tails if tail is not None), None)
    if at == len(name) or not fnmatch.fnmatchcase(name[at], first):
        return None
    tail = _match(rest, name, at + 1)
    if tail is None:
        return None
    return (at, *tail) if set(first) & set("*?[") else tail


def _types(module: nn.Module) -> list[str]:
    return [cls.__name__ for cls in type(module).__mro__]
