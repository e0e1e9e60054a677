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

    A stage is a part of the network with a name: what the first `*` of a pattern with two or more stands for, or the
    outermost numbered part, such as `layer3` in `layer3.0.bn2`, that holds numbered parts. Its number is that of its
    name, where all stages have numbers, each another; names that count from 0 count from 1 here. Otherwise stages are
    numbered in the order of the forward pass. What stands in no such part belongs to the stage before it. In a network
    without any, stages are runs of places with equal resolution.

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
    parts = {place: _part(place, modules) for place in ordered}
    named = list(dict.fromkeys(part for part in parts.values() if part is not None))
    if not named:
        return _runs(ordered)
    numbers = _numbers(named, modules)
    found: dict[Place, int] = {}
    stage = next(numbers[part] for part in parts.values() if part is not None)
    for place in ordered:
        part = parts[place]
        stage = stage if part is None else numbers[part]
        found[place] = stage
    return found


def _part(place: Place, modules: Mapping[str, nn.Module]) -> str | None:
    """The name of the part of the network that is the place's stage."""
    names = place.name.split(".")
    if len(place.stars) > 1:
        return ".".join(names[: place.stars[0] + 1])
    prefixes = [".".join(names[: i + 1]) for i in range(len(names))]
    holding = [name for name in prefixes if name[-1].isdigit() and any(modules[name].children())]
    if not holding:
        return None
    first = holding[0]
    is_worded = not first.rsplit(".", 1)[-1].isdigit()
    return first if len(holding) > 1 or (is_worded and len(_alike(first, modules)) > 1) else None


def _alike(name: str, modules: Mapping[str, nn.Module]) -> list[str]:
    """The parts of the network that are named alike but for the number at the end, and are of the same type."""
    stem = name.rstrip("0123456789")
    return [
        other
        for other, module in modules.items()
        if other.rstrip("0123456789") == stem and other != stem and type(module) is type(modules[name])
    ]


def _numbers(named: Sequence[str], modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """The number of each part: that of its name where all have one, each another; else counted in order."""
    found: dict[str, int] = {}
    for name in named:
        digits = re.search(r"\d+$", name)
        if digits is not None:
            from_zero = any(int(other[len(name.rstrip("0123456789")) :]) == 0 for other in _alike(name, modules))
            found[name] = int(digits[0]) + from_zero
    if len(set(found.values())) < len(named) or min(found.values()) < 1:
        return {name: i for i, name in enumerate(named, start=1)}
    return found


def _runs(ordered: Sequence[Place]) -> dict[Place, int]:
    found: dict[Place, int] = {}
    run, last = 0, None
    for place in ordered:
        run += place.resolution != last
        last = place.resolution
        found[place] = run
    return found
