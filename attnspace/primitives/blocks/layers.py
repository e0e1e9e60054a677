"""layers: layers on the map itself, without a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from attnspace.primitives.block import AtFirst, Block
from attnspace.primitives.blocks.identity import Identity
from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import (
    Layers,
    build_layers,
    check_all_channels,
    check_regions,
    constant_after,
    resolve_layers,
    sketch_layers,
)
from attnspace.primitives.layers.affine import Affine
from attnspace.primitives.sketch import Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MapLayers"]


class MapLayers(Block):
    """x -> layers[-1](... layers[0](x)), from C channels to C.

    Source: the scale and shift of GRN, arXiv 2301.00808, algorithm 1.
    """

    searched = False

    kind: Literal["layers"] = "layers"
    layers: Annotated[Layers, Field(min_length=1, description="The layers, the first one first.")]

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        check_regions("layers", self.layers, "none")
        return self

    def resolve(self, channels: int) -> Block:
        layers, d = resolve_layers("layers", self.layers, Descriptor("none", channels, channels))
        check_all_channels(d, "the layers leave", "layers")
        return self.with_(layers=layers) if layers else Identity()

    @property
    def at_first(self) -> AtFirst:
        if all(isinstance(layer, Affine) and layer.is_identity_at_first for layer in self.layers):
            return "identity"
        return "zero" if constant_after(self.layers) == 0 else None

    @property
    def keeps_zero(self) -> bool:
        return constant_after(self.layers, 0.0) == 0

    def then(self, other: MapLayers) -> MapLayers:
        """These layers followed by those of another block, as one block."""
        return self.with_(layers=(*self.layers, *other.layers))

    @property
    def any_channels(self) -> bool:
        return all(layer.any_channels("none") for layer in self.layers)

    def build(self, channels: int) -> nn.Module:
        return build_layers(self.layers, Descriptor("none", channels, channels))[0]

    def sketch(self) -> Sketch:
        return sketch_layers(self.layers, "none")

    @classmethod
    def any_of(cls) -> Any:
        conv = {"kind": "conv2d", "kernel": {"$choice": [3, 5, 7]}, "depthwise": True}
        return {"kind": "layers", "layers": [conv, {"kind": "norm"}, {"kind": "act"}]}

    def label(self) -> str:
        return " > ".join(["map", *(layer.label() for layer in self.layers)])
