"""act: an elementwise function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from attnspace.modules.words import Activation
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.sketch import Box, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Act"]


class Act(Layer):
    """An elementwise function, or softmax, between two layers."""

    searched = False

    takes_any_type: ClassVar[bool] = True

    kind: Literal["act"] = "act"
    fn: Annotated[Activation, Field(description="Which function.")] = "relu"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        return () if self.fn == "identity" else (self,)

    def any_channels(self, region: Region) -> bool:
        return True

    def shares(self) -> str | None:
        return "shared" if self.fn == "softmax" else None  # each strip has a softmax of its own

    def sketch(self, region: Region) -> Sketch:
        return Box(self.label())

    def build(self, d: Descriptor) -> nn.Module:
        from attnspace.modules.activation import activate

        return activate(self.fn, d.maps)

    def label(self) -> str:
        return self.fn
