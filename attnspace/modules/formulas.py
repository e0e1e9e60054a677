"""Blocks that are one formula, not a squeeze, an excitation and a gate."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnspace.modules.maps import check_several

__all__ = ["GatherExciteModule", "SgeModule", "SimamModule"]


class GatherExciteModule(nn.Module):
    """x * sigmoid(upsample(excite(gather(x)))).

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, gather: nn.Module, excite: nn.Module) -> None:
        super().__init__()
        self.gather = gather
        self.excite = excite

    def forward(self, x_nchw: Tensor) -> Tensor:
        logits = self.excite(self.gather(x_nchw))
        return x_nchw * torch.sigmoid(F.interpolate(logits, size=x_nchw.shape[2:], mode="nearest"))


class SgeModule(nn.Module):
    """x * sigmoid of a normalised similarity, one gate for each group of channels.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.zeros(groups, 1, 1))
        self.bias = nn.Parameter(torch.ones(groups, 1, 1))

    def forward(self, x_nchw: Tensor) -> Tensor:
        check_several(x_nchw, (2, 3), "sge")
        grouped = x_nchw.unflatten(1, (self.groups, -1))
        similarity = (grouped * grouped.mean((3, 4), keepdim=True)).sum(2)
        centred = similarity - similarity.mean((2, 3), keepdim=True)
        normed = centred / (centred.std((2, 3), keepdim=True) + 1e-5)
        gate = torch.sigmoid(normed * self.weight + self.bias)
        return (grouped * gate.unsqueeze(2)).flatten(1, 2)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class SimamModule(nn.Module):
    """x * sigmoid(energy), without parameters.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, regularization: float) -> None:
        super().__init__()
        self.regularization = regularization

    def forward(self, x_nchw: Tensor) -> Tensor:
        check_several(x_nchw, (2, 3), "simam")
        d = (x_nchw - x_nchw.mean((2, 3), keepdim=True)).pow(2)
        variance = d.sum((2, 3), keepdim=True) / (x_nchw.shape[2] * x_nchw.shape[3] - 1)
        return x_nchw * torch.sigmoid(d / (4 * (variance + self.regularization)) + 0.5)

    def extra_repr(self) -> str:
        return f"regularization={self.regularization}"
