"""The family of excite layers: a descriptor in, a descriptor out."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from torch import nn

from attnspace.primitives.descriptor import REGIONS, Descriptor, Region
from attnspace.primitives.node import Node

__all__ = ["Layer", "Sharing"]

Sharing = Literal["joint", "shared", "separate"]
"""How the two strips of a directional squeeze share a layer's weights: `joint`, concatenated along their
length, one application; `shared`, the same weights applied to each; `separate`, weights of their own."""


class Layer(Node):
    """One step of an excitation."""

    regions: ClassVar[frozenset[Region]] = REGIONS
    """The descriptors it can be applied to."""

    refused: ClassVar[str] = ""
    """What to use instead where it cannot be applied."""

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        """The canonical layers that do the same to `d`.

        Raises:
            SpecError: not possible on this descriptor.
        """
        return (self,)

    def after(self, d: Descriptor) -> Descriptor:
        """What a resolved layer makes of `d`."""
        return d

    @abstractmethod
    def build(self, d: Descriptor) -> nn.Module:
        """The module of a resolved layer, for one tensor (N, maps, ., .)."""

    def shares(self) -> Sharing | None:
        """How a resolved layer shares its weights between two strips; None if it has none to share."""
        return getattr(self, "sharing", None)

    @property
    def has_memory(self) -> bool:
        """Whether a resolved layer remembers what it has seen, so that the order of its applications matters."""
        return False
