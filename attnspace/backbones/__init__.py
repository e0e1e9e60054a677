"""Networks that attention is placed in."""

from __future__ import annotations

from attnspace.backbones.resnet import ResNet, ResNetConfig, widened

__all__ = ["BackboneConfig", "ResNet", "ResNetConfig", "make", "widened"]

BackboneConfig = ResNetConfig
"""What a study's `backbone` may be."""


def make(config: BackboneConfig, in_channels: int, num_classes: int) -> ResNet:
    """The backbone that a study names, for its data."""
    return ResNet(config.depth, config.width, in_channels, num_classes, config.extra)
