"""The family of statistics: what is pooled."""

from __future__ import annotations

from abc import abstractmethod

from torch import nn

from attnspace.primitives.node import Node

__all__ = ["Statistic"]


class Statistic(Node):
    """One number for each region of the map."""

    shorthand = True

    @abstractmethod
    def build(self, dims: tuple[int, ...]) -> nn.Module:
        """The module that pools (N,C,H,W) over `dims`, which it keeps with size 1."""
