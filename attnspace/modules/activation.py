"""Elementwise functions and softmax, by name: the nonlinearity of a layer, or what turns logits into a gate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnspace.modules.precision import widened
from attnspace.modules.words import Activation

__all__ = ["Gaussian", "PositionSoftmax", "Sigmoid1p", "Tanh1p", "activate"]


class Gaussian(nn.Module):
    """exp(-y^2): exp(-c y^2 / 2) with c = 2, as the Gaussian context transformer (Ruan et al., CVPR 2021) is coded."""

    def forward(self, y: Tensor) -> Tensor:
        return torch.exp(-widened(y).square()).to(y.dtype)


class Sigmoid1p(nn.Module):
    """1 + sigmoid(y). Source: BAM, arXiv 1807.06514, eq. 1."""

    def forward(self, y: Tensor) -> Tensor:
        return 1 + torch.sigmoid(y)


class Tanh1p(nn.Module):
    """1 + tanh(y). Source: gated channel transformation, arXiv 1909.11519, eq. 4."""

    def forward(self, y: Tensor) -> Tensor:
        return 1 + torch.tanh(y)


class PositionSoftmax(nn.Module):
    """Softmax over H and W. Source: global context, arXiv 1904.11492, eq. 5.

    Shape:
        (N,maps,H,W) -> (N,maps,H,W)
    """

    def forward(self, y: Tensor) -> Tensor:
        return y.flatten(2).softmax(2).view_as(y).to(y.dtype)


_ELEMENTWISE: dict[Activation, Callable[[], nn.Module]] = {
    "gaussian": Gaussian,
    "gelu": nn.GELU,
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_swish": nn.Hardswish,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "sigmoid1p": Sigmoid1p,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "tanh1p": Tanh1p,
}


def activate(name: Activation, maps: int) -> nn.Module:
    """The module of an activation, for a tensor of shape (N,maps,.,.)."""
    if name == "softmax":
        return nn.Softmax(dim=1) if maps > 1 else PositionSoftmax()
    return _ELEMENTWISE[name]()
