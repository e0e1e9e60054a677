"""Networks that attention is placed in.

section     the section of a study that says which network
libraries   timm and torchvision, imported when a backbone asks for them
families    the slots of known families of models
adapters    backbones of other libraries and of the user's own
mobilenet   MobileNetV2
residual    the blocks of a ResNet
resnet      the CIFAR ResNet
"""

from __future__ import annotations

from attnspace.backbones.adapters import ImportConfig, TimmConfig, TorchvisionConfig
from attnspace.backbones.mobilenet import MobileNetV2, MobileNetV2Config
from attnspace.backbones.resnet import ResNet, ResNetConfig
from attnspace.backbones.section import Backbone

__all__ = [
    "Backbone",
    "ImportConfig",
    "MobileNetV2",
    "MobileNetV2Config",
    "ResNet",
    "ResNetConfig",
    "TimmConfig",
    "TorchvisionConfig",
]
