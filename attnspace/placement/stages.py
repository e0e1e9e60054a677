"""The numbers of stages and blocks: a stage means one thing at all positions of a network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from torch import nn

from attnspace.placement.observation import Place

__all__ = ["numbered"]


def numbered(places: Sequence[Place], modules: Mapping[str, nn.Module]) -> dict[Place, tuple[int, int]]:
    """Stage and block of each place, both from 1; blocks are counted in each stage for each position by itself.

    A stage is a part of the network with a name: what the first wildcard of a pattern with two or more stands for, or
    the outermost part that holds others and is named by a word and a number, as `layer3` is in `layer3.0.bn2`. Its
    number is that of its name, where all stages have one, each another, and are of one type with all that are named
    so; names that count from 0 count from 1 here. Otherwise stages are numbered in the order of the forward pass.
    What stands in no such part belongs to the stage before it. In a network without any, stages are runs of places
    with equal resolution.

    Args:
        places: of all positions.
        modules: the modules of the network, by name.
    """
    ordered = sorted(places, key=lambda place: place.order)
    stages = _stages(ordered, modules)
    blocks: Counter[tuple[str, int]] = Counter()
    found: dict[Place, tuple[int, int]] = {}
    for place in ordered:
        stage = stages[place]
        blocks[place.position, stage] += 1
        found[place] = stage, blocks[place.position, stage]
    return found


def _stages(ordered: Sequence[Place], modules: Mapping[str, nn.Module]) -> dict[Place, int]:
    parts = _parts(ordered, modules)
    if not parts:
        return _runs(ordered)
    numbers = _numbers(list(dict.fromkeys(parts.values())), modules)
    found: dict[Place, int] = {}
    stage = next(numbers[parts[place]] for place in ordered if place in parts)
    for place in ordered:
        stage = numbers[parts[place]] if place in parts else stage
        found[place] = stage
    return found


def _parts(ordered: Sequence[Place], modules: Mapping[str, nn.Module]) -> dict[Place, str]:
    """The name of the part of the network that is a place's stage, for those that stand in one."""
    found = {place: part for place in ordered if (part := _part(place, modules)) is not None}
    whole = [place for place, part in found.items() if part == place.name]
    if len({(place.position, place.resolution) for place in whole}) < len(whole):
        # Several parts of one resolution are blocks that are numbered through, and no stages.
        found = {place: part for place, part in found.items() if part != place.name}
    for place in ordered:  # at places whose own pattern does not tell
        if place not in found:
            around = next((part for part in found.values() if place.name.startswith(f"{part}.")), None)
            if around is not None:
                found[place] = around
    return found


def _part(place: Place, modules: Mapping[str, nn.Module]) -> str | None:
    names = place.name.split(".")
    prefixes = [".".join(names[: i + 1]) for i in range(len(names))]
    said = prefixes[place.stars[0]] if len(place.stars) > 1 else None
    if said is not None and said != _stem(said):
        return said
    return next((name for name in prefixes if _is_worded(name) and len(_alike(name, modules)) > 1), said)


def _is_worded(name: str) -> bool:
    """Whether the last part of a name is a word and a number."""
    return re.fullmatch(r"[A-Za-z_]+\d+", name.rsplit(".", 1)[-1]) is not None


def _alike(name: str, modules: Mapping[str, nn.Module]) -> list[str]:
    """The parts of the network that hold others, and are named alike but for the number at the end."""
    stem = _stem(name)
    return [other for other, module in modules.items() if _stem(other) == stem != other and any(module.children())]


def _stem(name: str) -> str:
    return name.rstrip("0123456789")


def _numbers(named: Sequence[str], modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """The number of each part: that of its name where all have one, each another; else counted in order."""
    found = {name: _number(name) for name in named if _is_worded(name) or _is_listed(name, modules)}
    if len(set(found.values())) < len(named):
        return {name: i for i, name in enumerate(named, start=1)}
    from_zero = any(_number(other) == 0 for name in named for other in _alike(name, modules))
    return {name: number + from_zero for name, number in found.items()}


def _number(name: str) -> int:
    return int(name[len(_stem(name)) :])


def _is_listed(name: str, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a part is one of a list of parts of one type, numbered through from 0: a list of stages."""
    alike = _alike(name, modules)
    types = {type(modules[other]) for other in alike}
    return name in alike and len(types) == 1 and sorted(map(_number, alike)) == list(range(len(alike)))


def _runs(ordered: Sequence[Place]) -> dict[Place, int]:
    found: dict[Place, int] = {}
    run, last = 0, None
    for place in ordered:
        run += place.resolution != last
        last = place.resolution
        found[place] = run
    return found
