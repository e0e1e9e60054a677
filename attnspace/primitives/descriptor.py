"""The shape that flows through a gate while it is compiled.

A squeeze turns the map (N,C,H,W) into a descriptor, each excite layer turns a descriptor into the next
one. Tensors stay four-dimensional all the way:

    region        tensor
    global        (N, maps, 1, 1)
    channel       (N, maps, H, W)
    directional   a pair of strips (N, maps, H, 1) and (N, maps, W, 1)
    none          (N, maps, H, W)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Descriptor", "REGIONS", "Region", "SHAPES"]

Region = Literal["global", "channel", "directional", "none"]
REGIONS: frozenset[Region] = frozenset({"global", "channel", "directional", "none"})
SHAPES: dict[Region, str] = {
    "global": "one value for each channel",
    "channel": "one value for each position",
    "directional": "two strips",
    "none": "the map itself",
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What is known of a descriptor before any tensor exists.

    Attributes:
        region: which region each value summarises.
        channels: C of the map that the block is applied to.
        maps: size of the descriptor's channel axis.
        stacked: how many statistics lie side by side in `maps`.
    """

    region: Region
    channels: int
    maps: int
    stacked: int = 1

    def to(self, maps: int, stacked: int = 1) -> Descriptor:
        """The descriptor after a layer with weights, which mixes the statistics into `maps` channels."""
        return replace(self, maps=maps, stacked=stacked)
