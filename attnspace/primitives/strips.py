"""How the two strips of a directional squeeze go through layers together."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer, build_layers

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_strips"]


def build_strips(layers: tuple[Layer, ...], d: Descriptor) -> tuple[nn.Sequential, Descriptor]:
    """The modules of layers on two strips, and the descriptor that they leave.

    Neighbouring layers that share their weights alike become one step, so that the strips are concatenated once.
    """
    from torch import nn

    from attnspace.modules.strips import Joint, Separate, Shared

    sharing: list[str] = []
    for layer in layers:
        sharing.append(layer.shares() or (sharing[-1] if sharing else "shared"))
    steps: list[nn.Module] = []
    for how, group in groupby(zip(sharing, layers, strict=True), key=lambda pair: pair[0]):
        members = tuple(layer for _, layer in group)
        module, after = build_layers(members, d)
        if how == "separate":
            steps.append(Separate(module, build_layers(members, d)[0]))
        else:
            steps.append(Joint(module) if how == "joint" else Shared(module))
        d = after
    return nn.Sequential(*steps), d
