"""standardize: each value relative to the other channels of its sample."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.width import check_groups

__all__ = ["Standardize", "StandardizeModule"]

By = Literal["std", "rms", "mean_abs"]


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

    kind: Literal["standardize"] = "standardize"
    by: Annotated[By, Field(description="What the values are compared with.")] = "std"
    groups: Annotated[int, Field(ge=1, le=65_536, description="Groups of channels, each by itself.")] = 1
    eps: Annotated[float, Field(gt=0, le=1, description="Added to what is divided by.")] = 1e-5

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        check_groups(self.groups, d.maps)
        return (self,)

    def any_channels(self, region: Region) -> bool:
        return self.groups == 1

    def build(self, d: Descriptor) -> nn.Module:
        return StandardizeModule(self.by, self.groups, self.eps)

    def label(self) -> str:
        return f"standardize-{self.by}" + (f"/{self.groups}" if self.groups > 1 else "")


class StandardizeModule(nn.Module):
    """Compares each value with those of its group of channels, at its position.

    Shape:
        (N,maps,.,.) -> (N,maps,.,.)
    """

    def __init__(self, by: By, groups: int, eps: float) -> None:
        super().__init__()
        self.by = by
        self.groups = groups
        self.eps = eps

    def forward(self, d: Tensor) -> Tensor:
        if self.groups == 1:
            return self._standardized(d, 1)
        return self._standardized(d.unflatten(1, (self.groups, -1)), 2).flatten(1, 2)

    def _standardized(self, d: Tensor, axis: int) -> Tensor:
        if self.by == "mean_abs":
            return d / (d.abs().mean(axis, keepdim=True) + self.eps)
        if self.by == "std":
            d = d - d.mean(axis, keepdim=True)
        return d * (d.pow(2).mean(axis, keepdim=True) + self.eps).rsqrt()

    def extra_repr(self) -> str:
        return f"by={self.by}, groups={self.groups}, eps={self.eps}"
