"""standardize: each value relative to the other channels of its sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from attnspace.modules.words import Comparison
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.width import check_groups

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Standardize"]


class Standardize(Layer):
    """Over the channels, at each position, without weights.

    `std`       (d - mean) / sqrt(variance + eps)
    `rms`       d / sqrt(mean of d^2 + eps)
    `mean_abs`  d / (mean of |d| + eps)

    Source: Gaussian context transformer, CVPR 2021, eq. 4; gated channel transformation, arXiv 1909.11519, eq. 3;
    GRN, arXiv 2301.00808, eq. 2.
    """

    regions: ClassVar[frozenset[Region]] = frozenset({"global", "directional", "none"})
    instead: ClassVar[str] = "squeeze global, directional or none, which have channels to compare"

    searched = False

    takes_any_type: ClassVar[bool] = True

    kind: Literal["standardize"] = "standardize"
    by: Annotated[Comparison, Field(description="What the values are compared with.")] = "std"
    groups: Annotated[int, Field(ge=1, le=65_536, description="Groups of channels, each by itself.")] = 1
    eps: Annotated[float, Field(gt=0, le=1, description="Added to what is divided by.")] = 1e-5

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        check_groups(self.groups, d.maps)
        return (self,)

    def any_channels(self, region: Region) -> bool:
        return self.groups == 1

    def constant(self, given: float | None) -> float | None:
        return 0.0 if given == 0 else None

    def build(self, d: Descriptor) -> nn.Module:
        from attnspace.modules.layers import StandardizeModule

        return StandardizeModule(self.by, self.groups, self.eps)

    def label(self) -> str:
        return f"standardize-{self.by}" + (f"/{self.groups}" if self.groups > 1 else "")
