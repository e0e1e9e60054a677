"""branches: several lists of layers on one descriptor, and their outputs as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from attnspace.documents.families import fault
from attnspace.errors import SpecError, within
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import (
    Layer,
    Layers,
    after_layers,
    build_layers,
    label_layers,
    resolve_layers,
    sketch_layers,
)
from attnspace.primitives.node import in_order
from attnspace.primitives.sketch import Fork, Sketch, symbol

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Branches"]


class Branches(Layer):
    """Several lists of layers side by side; an empty list passes on what it is given.

    Source: multi-scale convolutional attention, SegNeXt, arXiv 2209.08575, eq. 1.
    """

    regions: ClassVar[frozenset[Region]] = frozenset({"global", "channel", "none"})
    instead: ClassVar[str] = "give the layers of strips one after the other"
    searched = False

    kind: Literal["branches"] = "branches"
    branches: Annotated[
        tuple[Layers, ...], Field(min_length=1, max_length=16, description="The lists of layers, in order.")
    ]
    merge: Annotated[
        Literal["sum", "mean", "max", "product", "stack"],
        Field(description="How the outputs become one; stack puts them side by side as channels."),
    ] = "sum"

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if sum(map(len, self.branches)) > 64:
            raise fault("has more than 64 layers", at=("branches",))
        return self

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        resolved, ends = [], []
        for i, layers in enumerate(self.branches):
            with within("branches"):
                steps, end = resolve_layers(str(i), layers, d)
            resolved.append(steps)
            ends.append(end)
        if self.merge != "stack" and len({end.maps for end in ends}) > 1:
            raise SpecError(
                f"the branches leave {', '.join(str(end.maps) for end in ends)} channels",
                at=("branches",),
                allowed="as many from each",
                remedy="end each branch with a layer that has the same out, or use merge stack",
            )
        if len(resolved) == 1:
            return resolved[0]
        return (self.with_(branches=tuple(resolved)),)

    def after(self, d: Descriptor) -> Descriptor:
        ends = [after_layers(layers, d) for layers in self.branches]
        if self.merge == "stack":
            return d.to(sum(end.maps for end in ends))
        return ends[0] if all(end == ends[0] for end in ends) else d.to(ends[0].maps)

    def build(self, d: Descriptor) -> nn.Module:
        from attnspace.modules.layers import BranchesModule

        return BranchesModule([build_layers(layers, d)[0] for layers in self.branches], self.merge)

    def misfit(self, region: Region) -> tuple[tuple[str | int, ...], Layer] | None:
        for i, layers in enumerate(self.branches):
            for j, layer in enumerate(layers):
                if found := layer.misfit(region):
                    return ("branches", i, j, *found[0]), found[1]
        return super().misfit(region)

    def any_channels(self, region: Region) -> bool:
        return all(layer.any_channels(region) for layers in self.branches for layer in layers)

    @property
    def has_memory(self) -> bool:
        return any(layer.has_memory for layers in self.branches for layer in layers)

    def canonical(self) -> Self:
        same = super().canonical()
        return same if self.merge == "stack" else same.with_(branches=in_order(same.branches))

    def sketch(self, region: Region) -> Sketch:
        return Fork(tuple(sketch_layers(layers, region) for layers in self.branches), symbol(self.merge))

    def label(self) -> str:
        return f"{self.merge}({' | '.join(map(label_layers, self.branches))})"
