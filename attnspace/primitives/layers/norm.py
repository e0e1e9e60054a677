"""norm: batch or group normalisation of a descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from attnspace.documents.families import fault
from attnspace.errors import SpecError
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer, Sharing
from attnspace.primitives.sketch import Box, Sketch
from attnspace.primitives.width import check_groups

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Norm"]


class Norm(Layer):
    """Normalisation with a learned scale and shift for each channel.

    `batch` uses the statistics of the batch in training and running ones in evaluation; `group` those of each
    sample, over `groups` groups of channels, and `layer` over one group. `momentum` is torch's: the weight
    of the newest batch.
    """

    searched = False

    kind: Literal["norm"] = "norm"
    type: Annotated[
        Literal["batch", "group", "layer"],
        Field(description="batch: over the batch; group: over each sample's channel groups; layer: over one group."),
    ] = "batch"
    groups: Annotated[
        Annotated[int, Field(ge=1, le=65_536)] | Literal["each"] | None,
        Field(description="Groups of channels of a group norm: a number, or each channel by itself; null for one."),
    ] = None
    eps: Annotated[float, Field(gt=0, le=1, description="Added to the variance.")] = 1e-5
    momentum: Annotated[
        float | None, Field(gt=0, le=1, description="Weight of the newest batch in the running statistics; null: 0.1.")
    ] = None
    sharing: Sharing = "joint"

    @model_validator(mode="after")
    def _fields_of_its_type(self) -> Self:
        for field, only in (("groups", "group"), ("momentum", "batch")):
            if self.type != only and getattr(self, field) is not None:
                raise fault(
                    f"{self.type} normalisation has no {field}", at=(field,), remedy=f"remove it, or use type {only}"
                )
        return self

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        if self.type != "batch":
            groups = d.maps if self.groups == "each" else self.groups or 1
            check_groups(groups, d.maps)
            if d.region == "global" and groups == d.maps > 1:
                raise SpecError(
                    f"each of {groups} groups has one channel, and a norm of one value is its shift",
                    at=("groups",),
                    remedy="use fewer groups",
                )
            explicit = self.with_(type="group", groups=groups)
        else:
            explicit = self.with_(momentum=0.1 if self.momentum is None else self.momentum)
        return (explicit if d.region == "directional" else explicit.with_(sharing="joint"),)

    def constant(self, given: float | None) -> float | None:
        return 0.0 if given == 0 else None

    def build(self, d: Descriptor) -> nn.Module:
        from torch import nn

        from attnspace.modules.norm import EachNorm, batch_norm

        if self.type == "group":
            assert isinstance(self.groups, int)
            if self.groups == d.maps:
                return EachNorm(d.maps, self.eps)
            return nn.GroupNorm(self.groups, d.maps, eps=self.eps)
        return batch_norm(d.maps, eps=self.eps, momentum=self.momentum)

    def sketch(self, region: Region) -> Sketch:
        return Box(self.label())

    @property
    def has_memory(self) -> bool:
        return self.type == "batch"

    def label(self) -> str:
        if self.type == "group":
            return f"gn-{self.groups}" if self.groups == "each" else f"gn{self.groups or 1}"
        return "bn" if self.type == "batch" else "ln"
