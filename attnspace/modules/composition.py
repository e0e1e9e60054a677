"""Blocks made of blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnspace.modules.maps import Fold, fold

__all__ = ["ParallelModule", "ResidualModule", "RezeroModule", "SplitModule", "SwapModule"]


class ParallelModule(nn.Module):
    """Applies every block to the same map and merges their outputs.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, blocks: list[nn.Module], merge: Fold) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.merge = merge

    def forward(self, x_nchw: Tensor) -> Tensor:
        return fold(self.merge, [block(x_nchw) for block in self.blocks])

    def extra_repr(self) -> str:
        return self.merge


class ResidualModule(nn.Module):
    """x + block(x).

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw + self.block(x_nchw)


class RezeroModule(nn.Module):
    """(1 - a) x + a block(x), which is exactly x at a = 0 and exactly block(x) at a = 1.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.scale = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set a to 0."""
        nn.init.zeros_(self.scale)

    def forward(self, x_nchw: Tensor) -> Tensor:
        # As x + a (block(x) - x) the difference of two large numbers might overflow, and 0 times that is no number.
        scale = self.scale[0]  # without an axis it leaves the type of x as it is, under autocast too
        return (1 - scale) * x_nchw + scale * self.block(x_nchw)


class SplitModule(nn.Module):
    """Folds the groups into the batch, passes each chunk through a block of its own, then shuffles the channels.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, groups: int, blocks: list[nn.Module], shuffle: int) -> None:
        super().__init__()
        self.groups = groups
        self.blocks = nn.ModuleList(blocks)
        self.shuffle = shuffle

    def forward(self, x_nchw: Tensor) -> Tensor:
        folded = x_nchw.unflatten(1, (self.groups, -1)).flatten(0, 1) if self.groups > 1 else x_nchw
        y = self._in_chunks(folded) if len(self.blocks) > 1 else self.blocks[0](folded)
        if self.groups > 1:
            y = y.unflatten(0, (-1, self.groups)).flatten(1, 2)
        return y.unflatten(1, (self.shuffle, -1)).transpose(1, 2).flatten(1, 2) if self.shuffle > 1 else y

    def _in_chunks(self, folded: Tensor) -> Tensor:
        chunks = folded.chunk(len(self.blocks), 1)
        return torch.cat([block(chunks[i]) for i, block in enumerate(self.blocks)], dim=1)

    def extra_repr(self) -> str:
        return f"groups={self.groups}, shuffle={self.shuffle}"


class SwapModule(nn.Module):
    """Applies a block to the map with axis 1 and another axis exchanged, then puts them back.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, axis: int, block: nn.Module) -> None:
        super().__init__()
        self.axis = axis
        self.block = block

    def forward(self, x_nchw: Tensor) -> Tensor:
        return self.block(x_nchw.transpose(1, self.axis)).transpose(1, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
