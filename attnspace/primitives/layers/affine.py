"""affine: a learned scale and shift for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Affine"]

Start = Annotated[float, Field(ge=-1e3, le=1e3)]


class Affine(Layer):
    """scale * d + shift, a number of each for every channel; statistics side by side are summed, each with its scale.

    Source: SRM, arXiv 1903.10829, eq. 3; gated channel transformation, arXiv 1909.11519, eqs. 2 and 4.
    """

    takes_any_type: ClassVar[bool] = True

    kind: Literal["affine"] = "affine"
    scale: Annotated[Start, Field(description="The scale's initial value.")] = 1.0
    shift: Annotated[Start | None, Field(description="The shift's initial value; null for no shift.")] = 0.0
    sharing: Annotated[
        Literal["shared", "separate"], Field(description="Whether the strips of a directional squeeze share it.")
    ] = "shared"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        return (self if d.region == "directional" else self.with_(sharing="shared"),)

    def constant(self, given: float | None) -> float | None:
        if self.scale == 0:
            return self.shift or 0.0
        return None if given is None else self.scale * given + (self.shift or 0.0)

    @property
    def is_identity_at_first(self) -> bool:
        """Whether the initial scale is 1 and the initial shift 0, so that an untrained layer changes no value."""
        return self.scale == 1 and not self.shift

    def after(self, d: Descriptor) -> Descriptor:
        return d.to(d.maps // d.stacked)

    def build(self, d: Descriptor) -> nn.Module:
        from attnspace.modules.layers import AffineModule, WeightedSumModule

        if d.stacked == 1:
            return AffineModule(d.maps, self.scale, self.shift)
        return WeightedSumModule(d.maps // d.stacked, d.stacked, self.scale, self.shift)

    def label(self) -> str:
        return "affine" if self.shift is not None else "scale"
