"""project: a 1x1 convolution, the same linear map at every position."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer
from torch import nn

from attnspace.errors import within
from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer, Sharing
from attnspace.primitives.node import Grid, fault
from attnspace.primitives.reduction import MAX_WIDTH, Reduction

__all__ = ["Project"]


def _absolute(value: Any) -> Any:
    """A bare number is a count here, and a ratio under `reduction`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"width": value}
    if not isinstance(value, str | dict | Reduction):
        raise fault('should be "C", a whole number or a reduction rule', allowed='"C", 1, {"ratio": 16}')
    return value


def _written(out: str | Reduction) -> Any:
    if isinstance(out, str):
        return out
    if out.width is not None:
        return out.width
    dumped = out.model_dump()
    return dumped if isinstance(dumped, dict) else {"ratio": dumped}


Count = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Width = Annotated[
    Literal["C"] | Reduction,
    BeforeValidator(_absolute, json_schema_input_type=Literal["C"] | Count | Reduction),
    PlainSerializer(_written),
]


class Project(Layer):
    """Linear map on channels to `out` of them: `"C"`, a number, or a reduction rule.

    Source: ESE, arXiv 1911.06667, eq. 4; sSE, arXiv 1803.02579, section 2.2.
    """

    kind: Literal["project"] = "project"
    out: Annotated[Width, Grid("C", 1)] = "C"
    bias: bool = True
    sharing: Sharing = "joint"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        with within("out"):
            out = d.channels if isinstance(self.out, str) else self.out.at(d.channels)
        # Pointwise, so that one application to both strips is the same as one to each.
        separate = d.region == "directional" and self.sharing == "separate"
        return (self.with_(out=Reduction.of(out), sharing="separate" if separate else "joint"),)

    def after(self, d: Descriptor) -> Descriptor:
        return d.to(self._width)

    def build(self, d: Descriptor) -> nn.Module:
        return nn.Conv2d(d.maps, self._width, kernel_size=1, bias=self.bias)

    @property
    def _width(self) -> int:
        assert isinstance(self.out, Reduction)
        return self.out.absolute

    def label(self) -> str:
        return f"1x1->{self.out}" if isinstance(self.out, str) else f"1x1->{self.out.label().lstrip('=')}"
