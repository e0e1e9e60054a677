"""conv1d: a convolution along the channel axis, or along each strip."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from attnspace.documents.families import fault
from attnspace.documents.models import Strict
from attnspace.errors import SpecError, within
from attnspace.modules.words import Padding
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.layers.project import Project
from attnspace.primitives.node import Grid
from attnspace.primitives.reduction import Reduction
from attnspace.primitives.width import Filters, width_label

if TYPE_CHECKING:
    from torch import nn

__all__ = ["AdaptiveKernel", "Conv1d", "OddKernel"]


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise fault(f"kernel {kernel} is even", allowed="odd sizes, which keep the map's size")
    return kernel


MAX_KERNEL = 255
OddKernel = Annotated[
    int, Field(ge=1, le=MAX_KERNEL, json_schema_extra={"not": {"multipleOf": 2}}), AfterValidator(_odd)
]


class AdaptiveKernel(Strict):
    """t = int(abs((log2 C + beta) / gamma)); kernel = max(minimum, t if t is odd else t + 1).

    Source: ECA, arXiv 1910.03151, eq. 12 and its official code.
    """

    gamma: Annotated[float, Field(ge=0.01, le=64, description="Divides.")] = 2.0
    beta: Annotated[float, Field(ge=-64, le=64, description="Added to log2 C.")] = 1.0
    minimum: Annotated[OddKernel, Field(description="The smallest size.")] = 1

    def at(self, channels: int) -> int:
        """The kernel size at C channels."""
        t = int(abs((math.log2(channels) + self.beta) / self.gamma))
        return max(self.minimum, t if t % 2 else t + 1)


def _adaptive(value: Any) -> Any:
    if value == "adaptive":
        return {}
    if isinstance(value, bool) or not isinstance(value, int | dict | AdaptiveKernel):
        raise fault("should be an odd number or a rule", allowed='3, "adaptive", {"gamma": 2, "beta": 1, "minimum": 3}')
    return value


Kernel = Annotated[
    OddKernel | AdaptiveKernel,
    BeforeValidator(_adaptive, json_schema_input_type=OddKernel | AdaptiveKernel | Literal["adaptive"]),
]


ONE = Reduction.of(1)


class Conv1d(Layer):
    """Local exchange between neighbours: channels under a global squeeze, positions under a directional one.

    Along channels it is `filters` filters over the statistics, or over the filters before it. Along strips it is one
    filter for each channel (`depthwise`) or a full convolution, with zero padding.

    Source: ECA, arXiv 1910.03151, eq. 9; ELA, arXiv 2403.01123, eq. 5.
    """

    regions: ClassVar[frozenset[Region]] = frozenset({"global", "directional"})
    instead: ClassVar[str] = "use conv2d, or squeeze global or directional"

    kind: Literal["conv1d"] = "conv1d"
    kernel: Annotated[Kernel, Grid(3, 5, 7), Field(description="Odd size, or a rule that depends on C.")] = 3
    padding: Annotated[Padding, Field(description="What lies beyond the ends of the channel axis.")] = "zeros"
    bias: Annotated[bool, Field(description="Whether a bias is added.")] = True
    filters: Annotated[
        Filters, Field(description="Filters along the channel axis, each over all that come before.")
    ] = ONE
    depthwise: Annotated[bool, Field(description="Along strips: one filter for each channel, or a full one.")] = True
    sharing: Annotated[
        Literal["shared", "separate"], Field(description="Whether the strips of a directional squeeze share it.")
    ] = "shared"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        kernel = self.kernel.at(d.channels) if isinstance(self.kernel, AdaptiveKernel) else self.kernel
        if kernel > MAX_KERNEL:
            raise SpecError(f"the adaptive kernel is {kernel} wide", at=("kernel",), allowed=f"up to {MAX_KERNEL}")
        with within("filters"):
            filters = Reduction.of(self.filters.at(d.channels))
        if d.region == "directional":
            if filters != ONE:
                raise SpecError("filters are for the channel axis", at=("filters",), allowed="1 on strips")
            if self.padding == "circular":
                raise SpecError("circular padding is for the channel axis", at=("padding",), allowed="zeros on strips")
            depthwise = self.depthwise or d.maps == 1
            if kernel == 1 and not depthwise:
                return Project(out=Reduction.of(d.maps), bias=self.bias, sharing=self.sharing).resolve(d)
            return (self.with_(kernel=kernel, depthwise=depthwise, filters=filters),)
        if self.padding == "circular" and kernel // 2 > d.maps // d.stacked:
            raise SpecError(f"kernel {kernel} wraps more than once around {d.channels} channels", at=("kernel",))
        padding = self.padding if kernel > 1 else "zeros"
        return (self.with_(kernel=kernel, padding=padding, filters=filters, depthwise=True, sharing="shared"),)

    def after(self, d: Descriptor) -> Descriptor:
        if d.region == "directional":
            return d.to(d.maps)
        filters = self.filters.absolute
        return d.to(d.maps // d.stacked * filters, filters)

    def any_channels(self, region: Region) -> bool:
        fixed = isinstance(self.kernel, int) and self.filters.width is not None
        return fixed and region == "global" and self.padding == "zeros"

    def constant(self, given: float | None) -> float | None:
        return 0.0 if given == 0 and not self.bias else None

    def build(self, d: Descriptor) -> nn.Module:
        from torch import nn

        from attnspace.modules.layers import ChannelConv1d

        assert isinstance(self.kernel, int)
        if d.region == "global":
            return ChannelConv1d(d.stacked, self.filters.absolute, self.kernel, self.bias, self.padding)
        groups = d.maps if self.depthwise else 1
        padding = (self.kernel // 2, 0)
        return nn.Conv2d(d.maps, d.maps, (self.kernel, 1), padding=padding, groups=groups, bias=self.bias)

    def label(self) -> str:
        kernel = "k" if isinstance(self.kernel, AdaptiveKernel) else self.kernel
        many = "" if self.filters == ONE else f"->{width_label(self.filters)}"
        full = "" if self.depthwise else "-full"
        return f"conv1d{kernel}{full}" + ("-circular" if self.padding == "circular" else "") + many
