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

__all__ = ["Act", "EXACT"]

EXACT: dict[Activation, dict[float, float]] = {
    **{name: {0.0: 0.0, 1.0: 1.0} for name in ("identity", "leaky_relu", "relu", "relu6")},
    **{name: {0.0: 0.0} for name in ("gelu", "hard_swish", "silu", "tanh")},
    **{name: {0.0: 1.0} for name in ("gaussian", "tanh1p")},
}
"""Activation -> what it makes of 0 and of 1, where that is 0 or 1. Where it is so far on alone, as `hard_sigmoid` is,
nothing would learn.
"""


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

    def constant(self, given: float | None) -> float | None:
        return None if given is None else EXACT.get(self.fn, {}).get(given)

    def build(self, d: Descriptor) -> nn.Module:
        from attnspace.modules.activation import activate

        return activate(self.fn, d.maps)

    def label(self) -> str:
        return self.fn
