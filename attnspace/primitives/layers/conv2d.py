"""conv2d: a spatial convolution that keeps the map's size."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import nn

from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.layers.conv1d import OddKernel
from attnspace.primitives.layers.project import Project
from attnspace.primitives.node import Grid, fault
from attnspace.primitives.reduction import Reduction

__all__ = ["Conv2d"]


class Conv2d(Layer):
    """Convolution over H and W to one map or to C; `depthwise` filters each map by itself.

    Source: CBAM, arXiv 1807.06521, eq. 3.
    """

    regions: ClassVar[frozenset[Region]] = frozenset({"channel", "none"})
    refused: ClassVar[str] = "use fc, conv1d or project, or squeeze channel or none"

    kind: Literal["conv2d"] = "conv2d"
    kernel: Annotated[OddKernel, Grid(3, 5, 7)] = 7
    dilation: Annotated[int, Field(ge=1, le=64), Grid(1, 2)] = 1
    depthwise: bool = False
    out: Annotated[Literal[1, "C"] | None, Grid(None, "C")] = None
    bias: bool = True

    @model_validator(mode="after")
    def _depthwise_keeps_its_maps(self) -> Self:
        if self.depthwise and self.out is not None:
            raise fault("a depthwise convolution leaves as many maps as it is given", at=("out",), remedy="remove it")
        return self

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        out = None if self.depthwise and d.maps > 1 else self.out or 1
        if out == "C" and d.channels == 1:
            out = 1
        if self.kernel == 1 and out is not None:
            return Project(out="C" if out == "C" else Reduction.of(1), bias=self.bias).resolve(d)
        dilation = self.dilation if self.kernel > 1 else 1
        return (self.with_(out=out, depthwise=out is None, dilation=dilation),)

    def after(self, d: Descriptor) -> Descriptor:
        return d.to({None: d.maps, 1: 1, "C": d.channels}[self.out])

    def build(self, d: Descriptor) -> nn.Module:
        padding = self.dilation * (self.kernel // 2)
        groups = d.maps if self.depthwise else 1
        return nn.Conv2d(
            d.maps,
            self.after(d).maps,
            self.kernel,
            padding=padding,
            dilation=self.dilation,
            groups=groups,
            bias=self.bias,
        )

    def label(self) -> str:
        return "".join(
            [
                "dw" if self.depthwise else "",
                f"conv{self.kernel}",
                f"d{self.dilation}" if self.dilation > 1 else "",
                "->C" if self.out == "C" else "",
            ]
        )
