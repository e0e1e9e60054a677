"""residual: x plus what a block makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from attnspace.errors import within
from attnspace.modules.words import Activation
from attnspace.primitives.block import AtFirst, Block
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.sketch import Fork, Row, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Residual"]

ONE_MORE: dict[Activation, Activation] = {"sigmoid": "sigmoid1p", "tanh": "tanh1p"}


class Residual(Block):
    """x + block(x). Around a sigmoid or tanh gate it resolves to the gate with 1 + sigmoid or 1 + tanh.

    Source: BAM, arXiv 1807.06514, eq. 1; GRN, arXiv 2301.00808, section 3.2.
    """

    kind: Literal["residual"] = "residual"
    block: Annotated[Block, Field(description="The block whose output is added to its input.")]

    def resolve(self, channels: int) -> Block:
        with within("block"):
            block = self.block.resolve(channels)
        one_gate = isinstance(block, Gate) and block.apply == "multiply" and block.merge.startswith("logit")
        if one_gate and isinstance(block, Gate) and block.activation in ONE_MORE:
            return block.with_(activation=ONE_MORE[block.activation])  # x + x g = x (1 + g)
        return self.with_(block=block)

    @property
    def at_first(self) -> AtFirst:
        return "identity" if self.block.at_first == "zero" else None

    @property
    def keeps_zero(self) -> bool:
        return self.block.keeps_zero

    @property
    def any_channels(self) -> bool:
        return self.block.any_channels

    def build(self, channels: int) -> nn.Module:
        from attnspace.modules.composition import ResidualModule

        return ResidualModule(self.block.build(channels))

    def sketch(self) -> Sketch:
        return Fork((Row(), self.block.sketch()), "+", straight=True)

    def label(self) -> str:
        return f"x + ({self.block.label()})"

    @classmethod
    def any_of(cls) -> Any:
        return {"kind": "residual", "block": Gate.any_of()}
