"""Networks that attention is placed in."""

from __future__ import annotations

from attnspace.backbones.resnet import ResNet, ResNetConfig

__all__ = ["BackboneConfig", "ResNet", "ResNetConfig", "make"]

BackboneConfig = ResNetConfig
"""What a study's `backbone` may be."""


def make(config: BackboneConfig, in_channels: int, num_classes: int) -> ResNet:
    """The backbone that a study names, for its data."""
    return ResNet(depth=config.depth, width=config.width, in_channels=in_channels, num_classes=num_classes)
