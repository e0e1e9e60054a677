"""Slots in any model: `add_sites` opens them after or before modules that it finds by their names or types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import nn

from attnspace.costs.inputs import Inputs, InputsLike, inputs_of
from attnspace.errors import NOTHING, PlacementError, within
from attnspace.placement.layouts import layout_of
from attnspace.placement.observation import Place, observe
from attnspace.placement.patterns import Modules, found_modules, is_container, parsed, user_modules
from attnspace.placement.sites import AFTER, BEFORE, HOST, Opened, Site, appends
from attnspace.placement.slots import named_sites, refuse_wrapped, slots_of
from attnspace.placement.stages import numbered

__all__ = ["add_sites"]


def add_sites(
    model: nn.Module, slots: Mapping[str, str | Mapping[str, str]], input_shape: InputsLike | None = None
) -> nn.Module:
    """Open slots in a model of any kind, in place, and return the model; it computes what it did.

    At each place stands a `Site`: as the last child of a sequence, else in an `Opened` that stands in the place of the
    module. The state dict keeps its names. Stages have the numbers of their names, as `layer3` has; what else they are,
    `attnspace.placement.stages` says.

    Args:
        model: of any kind.
        slots: says for each position where: `"layer*.*.bn2"`, the same as `{"after": "layer*.*.bn2"}`;
            `{"before": "blocks.*.*.conv_pw"}`; `{"after": "**", "type": "BatchNorm2d"}`; `{"type": "Conv2d"}` alone.
            Maps are (N, C, H, W) or (N, H, W, C): which, is found out, or said by `layout`.
        input_shape: (C, H, W), or example inputs: a tensor, positional inputs in a sequence, or inputs by keyword in a
            mapping. By default the model's own `input_shape` or `example_inputs`.

    Raises:
        PlacementError: a pattern that matches nothing, or a module where no slot can be; then the model is as it was.
    """
    refuse_wrapped(model)
    openings = parsed(slots)
    inputs = inputs_of(model, input_shape)
    modules = user_modules(model)
    with within("slots"):
        places = [
            Place(position, name, modules[name], opening.before is not None, stars, opening.fitting, opening.layout)
            for position, opening in openings.items()
            for name, stars in found_modules(modules, position, opening).items()
        ]
    operations = observe(model, places, inputs)
    with within("slots"):
        places = _possible(places, modules, _opened(model), inputs)
    numbers = numbered(places, modules)
    sites = {
        place: Site(*numbers[place], place.position, opened=True, layout=place.layout or "nchw") for place in places
    }
    _open(model, sites, inputs, operations)
    return model


def _open(model: nn.Module, sites: Mapping[Place, Site], inputs: Inputs, operations: list[list[str]]) -> None:
    """Put the sites in, and check that each runs, and that the model does what it did; else take all of them out again.

    Raises:
        PlacementError: one does not run, or the model does something else.
    """
    opened, holders = _opened(model), _holders(model)
    undone = [_put(place, site, opened, holders) for place, site in sites.items()]
    try:
        ran = {slot.name for slot in slots_of(model, inputs)}
        names = named_sites(model)
        for place, site in sites.items():
            if names[site] not in ran:
                raise PlacementError(
                    f"a slot at {place.name!r} does not run: the model calls the module by another reference, such as "
                    f"a list, than as a part of the one that holds it",
                    at=("slots", place.position),
                    got=type(place.module).__name__,
                    remedy="choose a module beside it, or hold the modules in an nn.ModuleList",
                )
        if observe(model, [], inputs) != operations:
            raise PlacementError(
                "with these slots the model does something else: its code asks for the types of its modules, or for "
                "more than what they compute",
                at=("slots",),
                remedy="choose other modules, such as those around or inside of them",
            )
    except BaseException:
        for undo in reversed(undone):
            undo()
        raise


def _put(
    place: Place, site: Site, opened: dict[nn.Module, Opened], holders: Mapping[nn.Module, Sequence[Holder]]
) -> Callable[[], None]:
    """Put a site into the model; return what takes it out again.

    Args:
        place: where.
        site: what.
        opened: host -> the `Opened` in its place; a new one is added.
        holders: module -> where it is registered, before any is opened.
    """
    child, host = _child(place), place.module
    site.train(host.training)
    if host not in opened and appends(host) and not place.before:
        host.add_module(child, site)
        return partial(host._modules.__delitem__, child)
    if host in opened:
        opened[host].add_module(child, site)
        return partial(opened[host]._modules.__delitem__, child)
    opened[host] = wrapper = Opened(host)
    wrapper.add_module(child, site)
    _register(holders[host], wrapper)
    return partial(_register, holders[host], host)


Holder = tuple[nn.Module, str]
"""A module, and the name by which another one is registered in it."""


def _holders(model: nn.Module) -> dict[nn.Module, list[Holder]]:
    """Where each module is registered: one may be under several names."""
    found: dict[nn.Module, list[Holder]] = {}
    for holder in model.modules():
        for name, child in holder._modules.items():
            if child is not None:
                found.setdefault(child, []).append((holder, name))
    return found


def _register(holders: Sequence[Holder], module: nn.Module) -> None:
    for holder, name in holders:
        holder._modules[name] = module


def _opened(model: nn.Module) -> dict[nn.Module, Opened]:
    """Host -> the `Opened` that stands in its place."""
    return {found.host: found for found in model.modules() if isinstance(found, Opened)}


def _child(place: Place) -> str:
    return BEFORE if place.before else AFTER


def _possible(
    places: Sequence[Place], modules: Modules, opened: Mapping[nn.Module, Opened], inputs: Inputs
) -> list[Place]:
    """The places where slots can be, with the layout of the maps there.

    Raises:
        PlacementError: none can be at a place that is not to be left out then, or at any place of a position.
    """
    possible: dict[tuple[str, str], Place] = {}
    faults: dict[str, PlacementError] = {}
    for place in places:
        is_taken = (place.name, _child(place)) in possible or _is_open(place, opened)
        fault = _fault(place, modules, is_taken) or _fault_of_map(place, inputs)
        if fault is None:
            possible[place.name, _child(place)] = place
        elif place.fitting:
            faults.setdefault(place.position, fault)
        else:
            raise fault
    found = {place.position for place in possible.values()}
    for position, fault in faults.items():
        if position not in found:
            raise fault
    return list(possible.values())


def _is_open(place: Place, opened: Mapping[nn.Module, Opened]) -> bool:
    if place.module in opened and _child(place) in opened[place.module]._modules:
        return True
    return not place.before and appends(place.module) and AFTER in dict(place.module.named_children())


_DEPLOYED_BY = ("fuse", "reparameterize", "switch_to_deploy")
"""The methods by which modules of public libraries replace their parts by what these compute together."""


def _replacing(modules: Modules, name: str) -> str | None:
    """The name of a module around another one that may replace it, the model itself left out; None if there is none."""
    parts = name.split(".")
    around = [".".join(parts[:depth]) for depth in range(1, len(parts))]
    return next((at for at in around if any(hasattr(type(modules[at]), method) for method in _DEPLOYED_BY)), None)


def _fault(place: Place, modules: Modules, is_taken: bool) -> PlacementError | None:
    """Why no slot can be opened at a module, whatever passes there."""
    name, module = place.name, place.module
    refused = partial(PlacementError, at=(place.position,))
    if is_taken:
        return refused(f"there is a slot {'before' if place.before else 'after'} {name!r} already")
    for own in (_child(place), HOST):
        if hasattr(module, own):
            return refused(f"{name!r} has an {own!r} of its own", remedy="choose a module beside it")
    if is_container(module) and (place.before or not appends(module)):
        inner = next((child for child, _ in module.named_children()), "0")
        got = type(module).__name__
        return refused(
            f"{name!r} runs its children itself", got=got, remedy=f"choose one of them, such as {name}.{inner}"
        )
    if (around := _replacing(modules, name)) is not None:
        got = type(modules[around]).__name__
        what = f"{name!r} is a part of {around!r}, which replaces its parts when it is deployed, and would drop a block"
        return refused(what, got=got, remedy=f"choose {around} itself")
    if place.seen is None:
        return refused(f"{name!r} does not run in a forward pass")
    for seen, when in ((place.seen, "a forward pass"), (place.seen_training, "a forward pass of training")):
        if seen is not None and len(seen.shapes) > 1:
            what = f"{name!r} runs {len(seen.shapes)} times in {when}, and one block would stand in all of them"
            return refused(what, got=type(module).__name__, remedy="choose a module that runs once")
    return None


def _fault_of_map(place: Place, inputs: Inputs) -> PlacementError | None:
    """Why what passes at a place is no map that a block can see; where it is one, its layout is noted."""
    what = f"what {place.name!r} {'is given' if place.before else 'returns'}"
    shape = place.shape
    trained = place.seen_training.shapes[0] if place.seen_training is not None else ()
    if trained is None or shape is None or len(shape) != 4 or shape[0] != 1:
        return PlacementError(
            f"{what} is no map of (N, C, H, W) or (N, H, W, C)", at=(place.position,), got=shape or NOTHING
        )
    if place.layout is None:
        place.layout = layout_of(place, inputs)
    if place.layout is None:
        return PlacementError(
            f"which axis of {what} has the channels cannot be told",
            at=(place.position,),
            got=shape,
            allowed="layout: nchw, layout: nhwc",
            remedy="say how the map lies, if it is one",
        )
    return None
