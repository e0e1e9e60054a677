"""A gate: the logits that one or several branches make of a map, joined and applied to it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from attnspace.modules.maps import Fold, fold
from attnspace.modules.precision import may_widen
from attnspace.modules.strips import sum_strips
from attnspace.modules.words import Merge

__all__ = ["BranchModule", "GateModule", "JoinMaps", "JoinedGateModule"]


_FOLD: dict[Merge, Fold] = {
    "logit_sum": "sum",
    "logit_product": "product",
    "gate_product": "product",
    "gate_sum": "sum",
    "gate_mean": "mean",
    "gate_max": "max",
}


class GateModule(nn.Module):
    """x * gate, or x + gate.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, squeeze: nn.Module, excite: nn.Module, join: JoinMaps, *, strips: bool, add: bool) -> None:
        super().__init__()
        self.squeeze = squeeze
        self.excite = excite
        self.join = join
        self.strips = strips
        self.add = add
        self.narrows = may_widen(squeeze, excite, join)

    def forward(self, x_nchw: Tensor) -> Tensor:
        logits = [self.excite(descriptor) for descriptor in self.squeeze(x_nchw)]
        gate = self.join(sum_strips(logits) if self.strips else logits)
        return _applied(x_nchw, gate.to(x_nchw.dtype) if self.narrows else gate, add=self.add)


class JoinedGateModule(nn.Module):
    """x * gate, or x + gate, where several branches make the gate.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, branches: Sequence[nn.Module], join: JoinMaps, *, add: bool) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join
        self.add = add
        self.narrows = may_widen(self.branches, join)

    def forward(self, x_nchw: Tensor) -> Tensor:
        gate = self.join([branch(x_nchw) for branch in self.branches])
        return _applied(x_nchw, gate.to(x_nchw.dtype) if self.narrows else gate, add=self.add)


class BranchModule(nn.Module):
    """Squeezes the map and sums the logits that the excitation makes of each descriptor.

    Shape:
        (N,C,H,W) -> logits (N, 1 or C, 1 or H, 1 or W)
    """

    def __init__(self, squeeze: nn.Module, excite: nn.Module, *, strips: bool) -> None:
        super().__init__()
        self.squeeze = squeeze
        self.excite = excite
        self.strips = strips

    def forward(self, x_nchw: Tensor) -> Tensor:
        logits = [self.excite(descriptor) for descriptor in self.squeeze(x_nchw)]
        return fold("sum", sum_strips(logits) if self.strips else logits)


class JoinMaps(nn.Module):
    """Joins several maps of logits into one gate: merge, tail and activation.

    Shape:
        a list of (N,maps,.,.) that broadcast -> (N, 1 or C, .,.)
    """

    def __init__(self, merge: Merge, tail: nn.Sequential, activation: nn.Module) -> None:
        super().__init__()
        self.merge = merge
        self.tail = tail
        self.activation = activation

    def forward(self, logits: list[Tensor]) -> Tensor:
        how = _FOLD[self.merge]
        if self.merge.startswith("logit"):
            return self.activation(self.tail(fold(how, logits)))
        return fold(how, [self.activation(logit) for logit in logits])

    def extra_repr(self) -> str:
        return self.merge


def _applied(x_nchw: Tensor, gate: Tensor, *, add: bool) -> Tensor:
    return x_nchw + gate if add else x_nchw * gate
