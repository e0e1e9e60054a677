"""Batch normalisation that says what a batch of one needs, and group normalisation of each channel by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["EachNorm", "batch_norm"]


def batch_norm(channels: int, *, eps: float = 1e-5, momentum: float | None = 0.1) -> nn.BatchNorm2d:
    """Torch's batch normalisation, so that torch's own tools know it, with a check before it is run."""
    norm = nn.BatchNorm2d(channels, eps=eps, momentum=momentum)
    norm.register_forward_pre_hook(_check_several_values)
    return norm


def _check_several_values(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Say what to do about a batch with one value for each channel, from which no statistics can be taken."""
    (x,) = inputs
    if norm.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
        raise ValueError(
            "batch normalisation has one value for each channel: after a global squeeze it needs at least two "
            "samples in training; got batch 1; use a larger batch, evaluation mode, or a group norm"
        )


class EachNorm(nn.Module):
    """Group normalisation of each channel by itself; a single value, which torch's module refuses, becomes the shift.

    Shape:
        (N,C,.,.) -> (N,C,.,.)
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale and shift to their initial values."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, d: Tensor) -> Tensor:
        return torch.group_norm(d, self.channels, self.weight, self.bias, self.eps).to(d.dtype)
