"""Elementwise functions, by name: the nonlinearity of a layer, or what turns logits into a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "Activation", "Gaussian", "Sigmoid1p", "Tanh1p"]

Activation = Literal[
    "gaussian",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "identity",
    "relu",
    "relu6",
    "sigmoid",
    "sigmoid1p",
    "silu",
    "tanh",
    "tanh1p",
]


class Gaussian(nn.Module):
    """exp(-y^2). Source: Gaussian context transformer, Ruan et al., CVPR 2021, eq. 6 with c = 2."""

    def forward(self, y: Tensor) -> Tensor:
        return torch.exp(-y.square())


class Sigmoid1p(nn.Module):
    """1 + sigmoid(y). Source: BAM, arXiv 1807.06514, eq. 1."""

    def forward(self, y: Tensor) -> Tensor:
        return 1 + torch.sigmoid(y)


class Tanh1p(nn.Module):
    """1 + tanh(y). Source: gated channel transformation, arXiv 1909.11519, eq. 4."""

    def forward(self, y: Tensor) -> Tensor:
        return 1 + torch.tanh(y)


ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "gaussian": Gaussian,
    "gelu": nn.GELU,
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_swish": nn.Hardswish,
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "sigmoid1p": Sigmoid1p,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "tanh1p": Tanh1p,
}
