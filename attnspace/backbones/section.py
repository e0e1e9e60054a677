"""The section `backbone` of a study: a family of kinds, each of which makes a network."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

from torch import nn

from attnspace.documents.sections import Kind

__all__ = ["Backbone"]


class Backbone(Kind, family=True):
    """The section `backbone` of a study: the network that blocks are put into."""

    default_kind = "resnet"
    first = ("resnet", "mobilenet_v2", "timm", "torchvision", "import")

    @abstractmethod
    def make(self, in_channels: int, num_classes: int, size: tuple[int, int] | None = None) -> nn.Module:
        """A new network, its weights drawn from torch's global stream.

        Args:
            in_channels: channels of the images.
            num_classes: outputs.
            size: height and width of the images, with which slots are opened in models that have none of their own;
                by default the size that the model is made for.

        Raises:
            StudyError: the model cannot be made; the path begins in the section.
            PlacementError: no slots can be opened as asked.
        """

    def widened(self, params: int) -> Self:
        """The plain network with up to `params` parameters more; unchanged where it cannot widen."""
        return self
