"""Blocks that are one formula, not a squeeze, an excitation and a gate."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnspace.modules.maps import check_several
from attnspace.modules.precision import widened

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
        self.weight = nn.Parameter(torch.empty(groups, 1, 1))
        self.bias = nn.Parameter(torch.empty(groups, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight and bias to their initial values."""
        nn.init.zeros_(self.weight)
        nn.init.ones_(self.bias)

    def forward(self, x_nchw: Tensor) -> Tensor:
        check_several(x_nchw, (2, 3), "sge")
        grouped = x_nchw.unflatten(1, (self.groups, -1))
        wide = widened(grouped)
        similarity = (wide * wide.mean((3, 4), keepdim=True)).sum(2)
        centred = similarity - similarity.mean((2, 3), keepdim=True)
        normed = centred / (centred.std((2, 3), keepdim=True) + 1e-5)
        gate = torch.sigmoid(normed * self.weight + self.bias)
        return (grouped * gate.unsqueeze(2).to(x_nchw.dtype)).flatten(1, 2)

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
        wide = widened(x_nchw)
        d = (wide - wide.mean((2, 3), keepdim=True)).pow(2)
        variance = d.sum((2, 3), keepdim=True) / (x_nchw.shape[2] * x_nchw.shape[3] - 1)
        gate = torch.sigmoid(d / (4 * (variance + self.regularization)) + 0.5)
        return x_nchw * gate.to(x_nchw.dtype)

    def extra_repr(self) -> str:
        return f"regularization={self.regularization}"
