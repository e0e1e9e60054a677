"""The family of blocks: maps of (N,C,H,W) onto (N,C,H,W)."""

from __future__ import annotations

from abc import abstractmethod

from torch import nn

from attnspace.primitives.node import Node

__all__ = ["Block"]


class Block(Node):
    """A block: keeps the shape of the map it is given.

    A block is compiled in two steps. `resolve` writes it in canonical form at C channels: rules become
    numbers, unused fields their defaults, synonyms one form. `build` turns the resolved block into a module.
    Two blocks whose resolved forms are equal are one design.
    """

    @abstractmethod
    def resolve(self, channels: int) -> Block:
        """The canonical form at `channels` channels.

        Raises:
            SpecError: the block is not possible at this channel count.
        """

    @abstractmethod
    def build(self, channels: int) -> nn.Module:
        """The module of a resolved block. Parameters are created in the order of the reference."""
