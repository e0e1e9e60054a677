"""How much of a network's depth the slots of a position reach over."""

from __future__ import annotations

from torch import nn

from attnspace.costs.inputs import Inputs
from attnspace.costs.probe import Probe, look
from attnspace.placement.sites import Site

__all__ = ["coverage", "shallow"]

HALF = 0.5


def shallow(model: nn.Module, inputs: Inputs) -> tuple[str, ...]:
    """Sentences on positions whose slots reach over less than half of the network's depth.

    Raises:
        PlacementError: the model cannot be run.
    """
    return tuple(
        f"the slots of position {position!r} reach over {share:.0%} of the layers of the network"
        for position, share in coverage(model, inputs).items()
        if share < HALF
    )


def coverage(model: nn.Module, inputs: Inputs) -> dict[str, float]:
    """Position -> the share of the network's convolutions and linear layers that run from its first slot to its last.

    Raises:
        PlacementError: the model cannot be run.
    """
    return look(model, inputs, _shares)


def _shares(probe: Probe) -> dict[str, float]:
    layers = 0
    reached: dict[str, list[int]] = {}

    def count(module: nn.Module, args: object, out: object) -> None:
        nonlocal layers
        layers += 1

    def note(site: nn.Module, args: object) -> None:
        assert isinstance(site, Site)
        reached.setdefault(site.position, []).append(layers)

    for module in probe.model.modules():
        if isinstance(module, Site):
            module.register_forward_pre_hook(note)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    probe.run()
    return {position: (max(at) - min(at) + 1) / max(layers, 1) for position, at in reached.items()}
