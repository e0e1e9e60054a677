"""The family of squeezes: which region each statistic summarises, and how several statistics meet."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.node import Grid, Node, fault
from attnspace.primitives.statistic import Statistic

__all__ = ["Combine", "PoolingSqueeze", "Squeeze", "SqueezeModule"]

Combine = Literal["shared", "stack", "sum", "mean"]
"""`shared`: each statistic goes through the same weights, logits are added (CBAM, channel half);
`stack`: side by side as channels (CBAM, spatial half); `sum`, `mean`: one descriptor, before the excitation."""

Stats = Annotated[tuple[Statistic, ...], Field(min_length=1, max_length=8)]


class Squeeze(Node):
    """From the map to its descriptor."""

    region: ClassVar[Region]

    @abstractmethod
    def descriptor(self, channels: int) -> Descriptor:
        """The descriptor of a map with this many channels."""

    @abstractmethod
    def resolve(self, *, keep_order: bool) -> Squeeze:
        """The canonical form; `keep_order` if a later layer notices in which order statistics arrive."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A module from (N,C,H,W) to a tuple of descriptors, one for each run through the excitation."""

    @property
    def runs(self) -> int:
        """How many descriptors the excitation is applied to, one after the other."""
        return 1


class PoolingSqueeze(Squeeze):
    """A squeeze that pools statistics. Not itself a primitive: `global`, `channel` and `directional` are."""

    kind: Any = None
    stats: Stats
    combine: Annotated[Combine, Grid("shared", "stack", "sum")] = "shared"

    @model_validator(mode="after")
    def _each_statistic_once(self) -> Self:
        for i, stat in enumerate(self.stats):
            if stat in self.stats[:i]:
                raise fault(f"statistic {stat.label()} is listed twice", at=("stats", i), remedy="list it once")
        return self

    def descriptor(self, channels: int) -> Descriptor:
        stacked = len(self.stats) if self.combine == "stack" else 1
        maps = 1 if self.region == "channel" else channels
        return Descriptor(self.region, channels, maps * stacked, stacked)

    def resolve(self, *, keep_order: bool) -> Squeeze:
        if len(self.stats) == 1:
            return self.with_(combine=type(self).model_fields["combine"].default)
        if self.combine == "stack" or (self.combine == "shared" and keep_order):
            return self
        return self.with_(stats=tuple(sorted(self.stats, key=lambda stat: stat.model_dump_json())))

    @property
    def runs(self) -> int:
        return len(self.stats) if self.combine == "shared" else 1

    def label(self) -> str:
        names = [stat.label() for stat in self.stats]
        joined = {"shared": "+".join(names), "stack": ",".join(names)}.get(
            self.combine, f"{self.combine}({','.join(names)})"
        )
        return f"{self.kind}:{joined if len(names) > 1 else names[0]}"

    @classmethod
    def any_of(cls) -> Any:
        searched = [kind for kind, stat in Statistic.members.items() if stat.searched]
        return {**super().any_of(), "stats": {"$subset": searched}}


class SqueezeModule(nn.Module):
    """Pools one or more statistics over `dims` and combines them.

    Shape:
        (N,C,H,W) -> a tuple of (N,maps,.,.), one for each run through the excitation.
    """

    def __init__(self, stats: list[nn.Module], combine: Combine) -> None:
        super().__init__()
        self.stats = nn.ModuleList(stats)
        self.combine = combine

    def forward(self, x_nchw: Tensor) -> tuple[Tensor, ...]:
        pooled = [stat(x_nchw) for stat in self.stats]
        return combined(pooled, self.combine)


def combined(pooled: list[Tensor], combine: Combine) -> tuple[Tensor, ...]:
    """Several statistics of one region as the descriptors that the excitation sees."""
    if combine == "shared" or len(pooled) == 1:
        return tuple(pooled)
    if combine == "stack":
        return (torch.cat(pooled, dim=1),)
    total = pooled[0]
    for one in pooled[1:]:
        total = total + one
    return (total / len(pooled) if combine == "mean" else total,)
