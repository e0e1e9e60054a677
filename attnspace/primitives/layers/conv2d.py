"""conv2d: a spatial convolution that keeps the map's size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from attnspace.documents.families import fault
from attnspace.errors import SpecError, within
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.layers.conv1d import OddKernel
from attnspace.primitives.layers.project import Project
from attnspace.primitives.node import Grid
from attnspace.primitives.reduction import Reduction
from attnspace.primitives.width import Width, width_at, width_label

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Conv2d"]


class Conv2d(Layer):
    """Convolution over H and W to `out` maps, one if nothing is said; `depthwise` filters each map by itself.

    Source: CBAM, arXiv 1807.06521, eq. 3; large kernel attention, arXiv 2202.09741, section 3.2.
    """

    regions: ClassVar[frozenset[Region]] = frozenset({"channel", "none"})
    instead: ClassVar[str] = "use fc, conv1d or project, or squeeze channel or none"

    kind: Literal["conv2d"] = "conv2d"
    kernel: Annotated[
        OddKernel | tuple[OddKernel, OddKernel],
        Grid(3, 5, 7),
        Field(description="Odd size, or a pair (along H, along W) for a strip."),
    ] = 7
    dilation: Annotated[int, Field(ge=1, le=64, description="Distance between taps."), Grid(1, 2)] = 1
    groups: Annotated[int, Field(ge=1, le=65_536, description="Groups of channels that do not mix.")] = 1
    depthwise: Annotated[bool, Field(description="One filter for each map, which leaves as many maps.")] = False
    out: Annotated[
        Width | None, Grid(None, "C"), Field(description="Maps that it leaves; null: one, or as many if depthwise.")
    ] = None
    bias: Annotated[bool, Field(description="Whether a bias is added.")] = True

    @model_validator(mode="after")
    def _depthwise_keeps_its_maps(self) -> Self:
        if self.depthwise and self.out is not None:
            raise fault("a depthwise convolution leaves as many maps as it is given", at=("out",), remedy="remove it")
        if self.depthwise and self.groups > 1:
            raise fault("a depthwise convolution has a group for each map", at=("groups",), remedy="remove it")
        return self

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        with within("out"):
            out = 1 if self.out is None else width_at(self.out, d.channels)
        groups = self.groups
        if self.depthwise:
            out = groups = d.maps
        if d.maps % groups or out % groups:
            raise SpecError(
                f"{groups} groups do not divide {d.maps} channels given and {out} left",
                at=("groups",),
                remedy="use a divisor of both",
            )
        kernel = self._kernel[0] if self._kernel[0] == self._kernel[1] else self._kernel
        if kernel == 1 and groups == 1:
            return Project(out=Reduction.of(out), bias=self.bias).resolve(d)
        depthwise = groups == out == d.maps > 1
        return (
            self.with_(
                kernel=kernel,
                dilation=self.dilation if kernel != 1 else 1,
                groups=1 if depthwise else groups,
                depthwise=depthwise,
                out=None if depthwise else Reduction.of(out),
            ),
        )

    @property
    def _kernel(self) -> tuple[int, int]:
        return (self.kernel, self.kernel) if isinstance(self.kernel, int) else self.kernel

    def after(self, d: Descriptor) -> Descriptor:
        return d.to(self.out.absolute if isinstance(self.out, Reduction) else d.maps)

    def any_channels(self, region: Region) -> bool:
        fixed = self.out is None or (isinstance(self.out, Reduction) and self.out.width is not None)
        return region == "channel" and fixed

    def constant(self, given: float | None) -> float | None:
        return 0.0 if given == 0 and not self.bias else None

    def build(self, d: Descriptor) -> nn.Module:
        from torch import nn

        height, width = self._kernel
        return nn.Conv2d(
            d.maps,
            self.after(d).maps,
            self.kernel,
            padding=(self.dilation * (height // 2), self.dilation * (width // 2)),
            dilation=self.dilation,
            groups=d.maps if self.depthwise else self.groups,
            bias=self.bias,
        )

    def label(self) -> str:
        height, width = self._kernel
        return "".join(
            [
                "dw" if self.depthwise else "",
                f"conv{height}" if height == width else f"conv{height}x{width}",
                f"d{self.dilation}" if self.dilation > 1 else "",
                f"g{self.groups}" if self.groups > 1 else "",
                "" if self.out in (None, Reduction.of(1)) else f"->{width_label(self.out)}",
            ]
        )
