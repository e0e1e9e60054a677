from torch import nn

from attnspace.backbones.mobilenet import InvertedResidual


def network(in_channels=1, num_classes=10):
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        InvertedResidual(8, 8, 1, 3, 1, 0),
        InvertedResidual(8, 12, 2, 3, 2, 0),
        InvertedResidual(12, 12, 1, 3, 3, 0),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, num_classes),
    )
