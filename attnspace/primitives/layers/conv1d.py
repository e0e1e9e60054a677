"""conv1d: a convolution along the channel axis, or along each strip."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from torch import Tensor, nn

from attnspace.errors import SpecError
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.layers.project import Project
from attnspace.primitives.node import Grid, fault
from attnspace.primitives.reduction import Reduction

__all__ = ["AdaptiveKernel", "ChannelConv1d", "Conv1d", "OddKernel"]


Padding = Literal["zeros", "circular"]


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise fault(f"kernel {kernel} is even", allowed="odd sizes, which keep the map's size")
    return kernel


MAX_KERNEL = 255
OddKernel = Annotated[int, Field(ge=1, le=MAX_KERNEL), AfterValidator(_odd)]


class AdaptiveKernel(BaseModel):
    """t = int(abs((log2 C + beta) / gamma)); kernel = max(minimum, t if t is odd else t + 1).

    Source: ECA, arXiv 1910.03151, eq. 12 and its official code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    gamma: Annotated[float, Field(ge=0.01, le=64)] = 2.0
    beta: Annotated[float, Field(ge=-64, le=64)] = 1.0
    minimum: OddKernel = 1

    def at(self, channels: int) -> int:
        """The kernel size at C channels."""
        t = int(abs((math.log2(channels) + self.beta) / self.gamma))
        return max(self.minimum, t if t % 2 else t + 1)


def _adaptive(value: Any) -> Any:
    return {} if value == "adaptive" else value


Kernel = Annotated[
    OddKernel | AdaptiveKernel,
    BeforeValidator(_adaptive, json_schema_input_type=OddKernel | AdaptiveKernel | Literal["adaptive"]),
]


class Conv1d(Layer):
    """Local exchange between neighbours: channels under a global squeeze, positions under a directional one.

    Along channels it is one filter over the statistics. Along strips it is one filter for each channel
    (`depthwise`) or a full convolution, with zero padding.

    Source: ECA, arXiv 1910.03151, eq. 9; ELA, arXiv 2403.01123, eq. 5.
    """

    regions: ClassVar[frozenset[Region]] = frozenset({"global", "directional"})
    refused: ClassVar[str] = "use conv2d, or squeeze global or directional"

    kind: Literal["conv1d"] = "conv1d"
    kernel: Annotated[Kernel, Grid(3, 5, 7)] = 3
    padding: Padding = "zeros"
    bias: bool = True
    depthwise: bool = True
    sharing: Literal["shared", "separate"] = "shared"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        kernel = self.kernel.at(d.channels) if isinstance(self.kernel, AdaptiveKernel) else self.kernel
        if kernel > MAX_KERNEL:
            raise SpecError(f"the adaptive kernel is {kernel} wide", at=("kernel",), allowed=f"up to {MAX_KERNEL}")
        if d.region == "directional":
            if self.padding == "circular":
                raise SpecError("circular padding is for the channel axis", at=("padding",), allowed="zeros on strips")
            depthwise = self.depthwise or d.maps == 1
            if kernel == 1 and not depthwise:
                return Project(out=Reduction.of(d.maps), bias=self.bias, sharing=self.sharing).resolve(d)
            return (self.with_(kernel=kernel, depthwise=depthwise),)
        if self.padding == "circular" and kernel // 2 > d.maps // d.stacked:
            raise SpecError(f"kernel {kernel} wraps more than once around {d.channels} channels", at=("kernel",))
        padding = self.padding if kernel > 1 else "zeros"
        return (self.with_(kernel=kernel, padding=padding, depthwise=True, sharing="shared"),)

    def after(self, d: Descriptor) -> Descriptor:
        return d.to(d.maps if d.region == "directional" else d.maps // d.stacked)

    def build(self, d: Descriptor) -> nn.Module:
        assert isinstance(self.kernel, int)
        if d.region == "global":
            return ChannelConv1d(d.stacked, self.kernel, self.bias, self.padding)
        groups = d.maps if self.depthwise else 1
        padding = (self.kernel // 2, 0)
        return nn.Conv2d(d.maps, d.maps, (self.kernel, 1), padding=padding, groups=groups, bias=self.bias)

    def label(self) -> str:
        kernel = "k" if isinstance(self.kernel, AdaptiveKernel) else self.kernel
        return f"conv1d{kernel}" + ("-circular" if self.padding == "circular" else "")


class ChannelConv1d(nn.Module):
    """One filter along the channel axis.

    Shape:
        (N, stacked * C, 1, 1) -> (N, C, 1, 1)
    """

    def __init__(self, stacked: int, kernel: int, bias: bool, padding_mode: Padding) -> None:
        super().__init__()
        self.stacked = stacked
        self.conv = nn.Conv1d(stacked, 1, kernel, padding=kernel // 2, bias=bias, padding_mode=padding_mode)

    def forward(self, d_nm11: Tensor) -> Tensor:
        along_channels = d_nm11.flatten(1).unflatten(1, (self.stacked, -1))
        return self.conv(along_channels).transpose(1, 2).unsqueeze(-1)
