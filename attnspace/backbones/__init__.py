"""Networks that attention is placed in.

libraries   timm and torchvision, imported when a backbone asks for them
adapters    backbones of other libraries and of the user's own
mobilenet   MobileNetV2
residual    the blocks of a ResNet
resnet      the CIFAR ResNet
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Tag
from torch import nn

from attnspace.backbones import resnet
from attnspace.backbones.adapters import (
    ImportConfig,
    TimmConfig,
    TorchvisionConfig,
    make_imported,
    make_timm,
    make_torchvision,
)
from attnspace.backbones.mobilenet import MobileNetV2, MobileNetV2Config
from attnspace.backbones.resnet import ResNet, ResNetConfig
from attnspace.documents.sections import by_kind

__all__ = [
    "BackboneConfig",
    "ImportConfig",
    "MobileNetV2",
    "MobileNetV2Config",
    "ResNet",
    "ResNetConfig",
    "TimmConfig",
    "TorchvisionConfig",
    "located",
    "make",
    "widened",
]


BackboneConfig = Annotated[
    Annotated[ResNetConfig, Tag("resnet")]
    | Annotated[MobileNetV2Config, Tag("mobilenet_v2")]
    | Annotated[TimmConfig, Tag("timm")]
    | Annotated[TorchvisionConfig, Tag("torchvision")]
    | Annotated[ImportConfig, Tag("import")],
    by_kind("resnet"),
]
"""What a study's `backbone` may be."""


def make(config: BackboneConfig, in_channels: int, num_classes: int, size: tuple[int, int] | None = None) -> nn.Module:
    """The backbone that a study names, for its data, with weights drawn from torch's global stream.

    Args:
        config: the section of the study.
        in_channels: channels of the images.
        num_classes: outputs.
        size: height and width of the images, with which slots are opened in models that have none of their own; by
            default the size that the model is made for.

    Raises:
        StudyError: the model cannot be made; the path begins in the section.
        PlacementError: no slots can be opened as asked.
    """
    match config:
        case ResNetConfig():
            return ResNet(
                config.depth, config.width, in_channels, num_classes, config.extra, config.shortcut, config.block
            )
        case MobileNetV2Config():
            return MobileNetV2(config.width, config.stem, in_channels, num_classes)
        case TimmConfig():
            return make_timm(config, in_channels, num_classes, size)
        case TorchvisionConfig():
            return make_torchvision(config, in_channels, num_classes, size)
        case ImportConfig():
            return make_imported(config, in_channels, num_classes, size)


def located(config: BackboneConfig, folder: Path) -> BackboneConfig:
    """The same, a file that it imports seen from anywhere."""
    return config.located(folder) if isinstance(config, ImportConfig) else config


def widened(config: BackboneConfig, params: int) -> BackboneConfig:
    """The plain network with up to `params` parameters more; unchanged where it cannot widen.

    A ResNet of basic blocks can.
    """
    return resnet.widened(config, params) if isinstance(config, ResNetConfig) else config
