"""Slots in any model: `add_sites` opens them after or before modules that it finds by their names or types."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator
from torch import Tensor, nn

from attnspace.costs.meta import watched_on_meta
from attnspace.documents.families import fault
from attnspace.documents.models import Strict
from attnspace.documents.sections import Section
from attnspace.documents.validation import did_you_mean, some_of, validate
from attnspace.errors import NOTHING, PlacementError, within
from attnspace.placement.position import Position
from attnspace.placement.slots import Site, shape_of

__all__ = ["Opening", "Openings", "add_sites", "can_open"]

AFTER, BEFORE = "attention", "attention_before"
"""The names of a site in the module that it stands after or before."""

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


def add_sites(
    model: nn.Module,
    slots: Mapping[str, str | Mapping[str, str]],
    input_shape: tuple[int, int, int] | None = None,
) -> nn.Module:
    """Open slots in a model of any kind, in place, and return the model; it computes what it did.

    `slots` says for each position where: `"layer*.*.bn2"`, the same as `{"after": "layer*.*.bn2"}`;
    `{"before": "blocks.*.*.conv_pw"}`; `{"after": "**", "type": "BatchNorm2d"}`; `{"type": "Conv2d"}` alone.

    Each place gets a `Site` as a child of the module that it stands after or before, run by a hook, so that weights
    keep their names. Stages are what the first `*` stands for, in the order of the forward pass, if the pattern has two
    or more; otherwise runs of places with equal resolution.

    Raises:
        PlacementError: a pattern that matches nothing, or a module where no slot can be; then the model is as it was.
    """
    if not isinstance(slots, Mapping):
        raise PlacementError(
            "slots are a mapping", got=slots, allowed='position -> pattern, such as {"residual": "layer*.*.bn2"}'
        )
    openings = validate(_Given, {"slots": dict(slots)}, PlacementError).slots
    shape = shape_of(model, input_shape)
    with within("slots"):
        places = [place for position, opening in openings.items() for place in _places(model, position, opening)]
    _observe(model, places, shape)
    with within("slots"):
        _check(places)
    for position in openings:
        here = sorted((place for place in places if place.position == position), key=lambda place: place.order)
        for place, (stage, block) in zip(here, _numbers(here), strict=True):
            _open(place, Site(stage, block, position, opened=True))
    return model


def can_open(model: nn.Module, slots: Mapping[str, str | Mapping[str, str]]) -> bool:
    """Whether every position has a module in the model."""
    try:
        for position, opening in validate(_Given, {"slots": dict(slots)}, PlacementError).slots.items():
            _places(model, position, opening)
    except PlacementError:
        return False
    return True


@dataclass(eq=False)
class _Place:
    """A module whose name matches a pattern, and what a forward pass shows before or after it.

    Attributes:
        stars: what the wildcards of the pattern stand for; of two or more, the first tells the stage.
        order: the place's number in the order of the forward pass, from 0.
        seen: the shape of the tensor there at each run; None for a value that is no tensor.
    """

    position: str
    name: str
    module: nn.Module
    before: bool
    stars: tuple[str, ...]
    order: int = -1
    seen: list[tuple[int, ...] | None] = field(default_factory=list)

    @property
    def child(self) -> str:
        return BEFORE if self.before else AFTER


def _places(model: nn.Module, position: str, written: str | Opening) -> list[_Place]:
    opening = Opening(after=written) if isinstance(written, str) else written
    modules = {name: module for name, module in model.named_modules() if name}
    matches = {name: _match(opening.pattern.split("."), name.split(".")) for name in modules}
    named = [name for name, stars in matches.items() if stars is not None]
    if not named:
        common = dict.fromkeys(re.sub(r"\d+", "*", name) for name in modules)
        raise PlacementError(
            "matches no module",
            at=(position,),
            got=opening.pattern,
            allowed=some_of(common),
            remedy=did_you_mean(opening.pattern, [*common, *modules]),
        )
    found = [name for name in named if opening.type is None or opening.type in _types(modules[name])]
    if not found:
        types = sorted({type(modules[name]).__name__ for name in named})
        remedy = did_you_mean(str(opening.type), types)
        raise PlacementError(
            "is the type of no such module", at=(position,), got=opening.type, allowed=some_of(types), remedy=remedy
        )
    before = opening.before is not None
    return [_Place(position, name, modules[name], before, matches[name] or ()) for name in found]


def _match(pattern: Sequence[str], name: Sequence[str]) -> tuple[str, ...] | None:
    """The parts of a name that the wildcards of a pattern stand for, `**` left out; None where it does not match."""
    if not pattern:
        return None if name else ()
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        tails = (_match(rest, name[i:]) for i in range(len(name) + 1))
        return next((tail for tail in tails if tail is not None), None)
    if not name or not fnmatch.fnmatchcase(name[0], first):
        return None
    tail = _match(rest, name[1:])
    if tail is None:
        return None
    return (name[0], *tail) if "*" in first else tail


def _types(module: nn.Module) -> list[str]:
    return [cls.__name__ for cls in type(module).__mro__]


def _observe(model: nn.Module, places: Sequence[_Place], shape: tuple[int, int, int]) -> None:
    """Run the model for its shapes alone, and note at each place when it is reached and what stands there."""
    reached: list[_Place] = []

    def note(place: _Place, value: Any) -> None:
        if not place.seen:
            place.order = len(reached)
            reached.append(place)
        place.seen.append(tuple(value.shape) if isinstance(value, Tensor) else None)

    def noting(place: _Place) -> Callable[..., None]:
        if place.before:
            return lambda module, args: note(place, args[0] if args else None)
        return lambda module, args, output: note(place, output)

    hooks = [
        place.module.register_forward_pre_hook(noting(place))
        if place.before
        else place.module.register_forward_hook(noting(place))
        for place in places
    ]
    watched_on_meta(model, shape, hooks)


def _check(places: Sequence[_Place]) -> None:
    """Raise the fault of the first place that has one."""
    taken: set[tuple[str, str]] = set()
    for place in places:
        found = _fault(place, (place.name, place.child) in taken)
        if found:
            raise found
        taken.add((place.name, place.child))


def _fault(place: _Place, is_taken: bool) -> PlacementError | None:
    name, module = place.name, place.module
    refused = partial(PlacementError, at=(place.position,))
    if is_taken or _is_open(place):
        return refused(f"there is a slot {'before' if place.before else 'after'} {name!r} already")
    if hasattr(module, place.child):
        return refused(f"{name!r} has an {place.child!r} of its own", remedy="choose a module beside it")
    if _runs_children(module) and (place.before or not _appends(module)):
        inner = next((child for child, _ in module.named_children()), "0")
        got = type(module).__name__
        return refused(
            f"{name!r} runs its children itself", got=got, remedy=f"choose one of them, such as {name}.{inner}"
        )
    if not place.seen:
        return refused(f"{name!r} does not run in a forward pass")
    if len(place.seen) > 1:
        what = f"{name!r} runs {len(place.seen)} times in a forward pass, and one block would stand in all of them"
        return refused(what, got=type(module).__name__, remedy="choose a module that runs once")
    shape = place.seen[0]
    if shape is None or len(shape) != 4 or shape[0] != 1:
        what = f"what {name!r} {'is given' if place.before else 'returns'} is no map of (N, C, H, W)"
        return refused(what, got=shape or NOTHING)
    return None


def _numbers(places: Sequence[_Place]) -> list[tuple[int, int]]:
    """Stage and block of each place, from 1."""
    stage_of: dict[Any, int] = {}
    blocks: dict[int, int] = {}
    numbers: list[tuple[int, int]] = []
    run, last = 0, None
    for place in places:
        shape = place.seen[0]
        assert shape
        run += shape[2:] != last
        last = shape[2:]
        stage = stage_of.setdefault(place.stars[0] if len(place.stars) > 1 else run, len(stage_of) + 1)
        blocks[stage] = blocks.get(stage, 0) + 1
        numbers.append((stage, blocks[stage]))
    return numbers


def _open(place: _Place, site: Site) -> None:
    place.module.add_module(place.child, site)
    if _appends(place.module):
        return
    if place.before:
        place.module.register_forward_pre_hook(_run_before)
    else:
        place.module.register_forward_hook(_run_after)


def _run_after(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    return getattr(module, AFTER)(output)  # a function of a module, so that the model can be pickled


def _run_before(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (getattr(module, BEFORE)(args[0]), *args[1:])


def _is_open(place: _Place) -> bool:
    hooks: Iterable[Any] = (
        place.module._forward_pre_hooks.values() if place.before else place.module._forward_hooks.values()
    )
    is_last = _appends(place.module) and AFTER in dict(place.module.named_children())
    return is_last or any(hook in (_run_after, _run_before) for hook in hooks)


def _runs_children(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)


def _appends(module: nn.Module) -> bool:
    """Whether a module runs its children one after another, so that a child that is added runs without a hook."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
