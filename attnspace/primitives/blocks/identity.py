"""identity: nothing, the baseline and the empty choice in a space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attnspace.primitives.block import AtFirst, Block
from attnspace.primitives.sketch import Row, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Identity"]


class Identity(Block):
    """x. Where it is placed, nothing is inserted."""

    kind: Literal["identity"] = "identity"

    def resolve(self, channels: int) -> Block:
        return self

    @property
    def any_channels(self) -> bool:
        return True

    @property
    def at_first(self) -> AtFirst:
        return "identity"

    @property
    def keeps_zero(self) -> bool:
        return True

    def sketch(self) -> Sketch:
        return Row()

    def build(self, channels: int) -> nn.Module:
        from torch import nn

        return nn.Identity()
