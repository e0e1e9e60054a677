"""The family of statistics: what is pooled."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from attnspace.primitives.descriptor import Region
from attnspace.primitives.node import Node

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Statistic"]


class Statistic(Node, family=True):
    """One number for each region of the map."""

    shorthand = True

    regions: ClassVar[frozenset[Region]] = frozenset({"global", "channel", "directional"})
    """The regions over which the statistic can be pooled."""

    any_channels: ClassVar[bool] = True
    """Whether the statistic is the same at every channel count: neither weights nor a rule depend on C."""

    def resolve(self, channels: int) -> Statistic:
        """The canonical form at `channels` channels.

        Raises:
            SpecError: the statistic is not possible at this channel count.
        """
        return self

    @abstractmethod
    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        """The module that pools (N,C,H,W) over `dims`, which it keeps with size 1."""
