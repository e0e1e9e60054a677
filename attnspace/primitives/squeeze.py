"""The family of squeezes: which region each statistic summarises, and how several statistics meet."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from attnspace.documents.families import fault
from attnspace.errors import within
from attnspace.modules.words import Combine
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.node import Grid, Node, in_order
from attnspace.primitives.sketch import Box, Fork, Sketch
from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["COMBINE", "PoolingSqueeze", "Squeeze"]

COMBINE = Field(
    description="How several statistics meet: shared, each goes through the same weights and the logits are added; "
    "stack, side by side as channels; sum and mean, one descriptor, before the excitation."
)
Stats = Annotated[
    tuple[Statistic, ...],
    Field(
        min_length=1,
        max_length=8,
        description="What is pooled; the order is that of the weights under stack.",
        json_schema_extra={"uniqueItems": True},
    ),
]


class Squeeze(Node, family=True):
    """From the map to its descriptor."""

    region: ClassVar[Region]

    @abstractmethod
    def descriptor(self, channels: int) -> Descriptor:
        """The descriptor of a map with this many channels."""

    @abstractmethod
    def resolve(self, channels: int, *, keep_order: bool) -> Squeeze:
        """The canonical form at C channels; `keep_order` if a later layer notices in which order statistics arrive.

        Raises:
            SpecError: the squeeze is not possible at this channel count.
        """

    @abstractmethod
    def build(self, channels: int, *, wide: bool = False) -> nn.Module:
        """A module from (N,C,H,W) to a tuple of descriptors, one for each run through the excitation.

        Descriptors have the type of the map. With `wide`, for an excitation that takes any type, those that sum many
        values stay in float32 for a map of fewer bits.
        """

    def sketch(self) -> Sketch:
        """The sketch of the squeeze."""
        return Box(self.label(), "squeeze")

    @property
    def runs(self) -> int:
        """How many descriptors the excitation is applied to, one after the other."""
        return 1

    @property
    def any_channels(self) -> bool:
        """Whether the squeeze computes the same at every channel count."""
        return True


class PoolingSqueeze(Squeeze):
    """A squeeze that pools statistics. Not itself a primitive: `global`, `channel` and `directional` are."""

    kind: Any = None
    stats: Stats
    combine: Annotated[Combine, Grid("shared", "stack", "sum"), COMBINE] = "shared"

    @model_validator(mode="after")
    def _statistics_fit(self) -> Self:
        for i, stat in enumerate(self.stats):
            if stat in self.stats[:i]:
                raise fault(f"statistic {stat.label()} is listed twice", at=("stats", i), remedy="list it once")
            if self.region not in stat.regions:
                raise fault(
                    f"statistic {stat.kind} cannot be pooled by squeeze {self.kind}",
                    at=("stats", i),
                    allowed=f"{stat.kind} in squeeze {', '.join(sorted(stat.regions))}",
                )
        return self

    def descriptor(self, channels: int) -> Descriptor:
        stacked = len(self.stats) if self.combine == "stack" else 1
        maps = 1 if self.region == "channel" else channels
        return Descriptor(self.region, channels, maps * stacked, stacked)

    def resolve(self, channels: int, *, keep_order: bool) -> Squeeze:
        stats = []
        for i, stat in enumerate(self.stats):
            with within("stats", i):
                stats.append(stat.resolve(channels))
        if len(stats) == 1:
            return self.with_(stats=tuple(stats), combine=type(self).model_fields["combine"].default)
        ordered = self.combine == "stack" or (self.combine == "shared" and keep_order)
        return self.with_(stats=tuple(stats) if ordered else in_order(tuple(stats)))

    @property
    def runs(self) -> int:
        return len(self.stats) if self.combine == "shared" else 1

    @property
    def any_channels(self) -> bool:
        return all(stat.any_channels for stat in self.stats)

    def label(self) -> str:
        names = [stat.label() for stat in self.stats]
        joined = {"shared": "+".join(names), "stack": ",".join(names)}.get(
            self.combine, f"{self.combine}({','.join(names)})"
        )
        return f"{self.kind}:{joined if len(names) > 1 else names[0]}"

    def sketch(self) -> Sketch:
        axes = {"global": ["H, W"], "channel": ["C"], "directional": ["W", "H"]}[self.region]
        meets = {"shared": "each", "stack": "stack", "sum": "+", "mean": "mean"}[self.combine]
        lanes: list[Sketch] = []
        for axis in axes:
            boxes = tuple(Box(f"{stat.label()} over {axis}", "squeeze") for stat in self.stats)
            lanes.append(boxes[0] if len(boxes) == 1 else Fork(boxes, meets))
        return lanes[0] if len(lanes) == 1 else Fork(tuple(lanes), "each")

    @classmethod
    def any_of(cls) -> Any:
        stats = [kind for kind, stat in Statistic.members.items() if stat.searched and cls.region in stat.regions]
        return {**super().any_of(), "stats": {"$subset": stats}}
