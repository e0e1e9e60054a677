"""Batch normalisation that says what a batch of one needs, and group normalisation of each channel by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BatchNorm2d", "EachNorm"]


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that says what to do about a batch with one value for each channel."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        if self.training and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            raise ValueError(
                "batch normalisation has one value for each channel: after a global squeeze it needs at least two "
                "samples in training; got batch 1; use a larger batch, evaluation mode, or a group norm"
            )
        return super().forward(input)


class EachNorm(nn.Module):
    """Group normalisation of each channel by itself; a single value, which torch's module refuses, becomes the shift.

    Shape:
        (N,C,.,.) -> (N,C,.,.)
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, d: Tensor) -> Tensor:
        return torch.group_norm(d, self.channels, self.weight, self.bias, self.eps)
