"""act: an elementwise function."""

from __future__ import annotations

from typing import Literal

from torch import nn

from attnspace.primitives.activation import ACTIVATIONS, Activation
from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer

__all__ = ["Act"]


class Act(Layer):
    """An elementwise function between two layers."""

    searched = False

    kind: Literal["act"] = "act"
    fn: Activation = "relu"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        return () if self.fn == "identity" else (self,)

    def build(self, d: Descriptor) -> nn.Module:
        return ACTIVATIONS[self.fn]()

    def label(self) -> str:
        return self.fn
