"""Branches of convolutions, and softmax attention between them for each channel."""

from __future__ import annotations

from torch import Tensor, nn

from attnspace.modules.maps import fold

__all__ = ["SelectModule"]


class SelectModule(nn.Module):
    """A softmax-weighted sum of branches.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(
        self,
        stem: nn.Sequential,
        branches: list[nn.Sequential],
        squeeze: nn.Module,
        excite: nn.Sequential,
        head: nn.Conv2d,
        *,
        chunked: bool,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.branches = nn.ModuleList(branches)
        self.squeeze = squeeze
        self.excite = excite
        self.head = head
        self.chunked = chunked

    def forward(self, x_nchw: Tensor) -> Tensor:
        stem = self.stem(x_nchw)
        many = len(self.branches)
        given = stem.chunk(many, 1) if self.chunked else [stem] * many
        maps = [branch(given[i]) for i, branch in enumerate(self.branches)]
        (descriptor,) = self.squeeze(fold("sum", maps))
        logits = self.head(self.excite(descriptor))
        weights = logits.unflatten(1, (many, -1)).softmax(1).unbind(1)
        return fold("sum", [weights[i] * one for i, one in enumerate(maps)]).to(x_nchw.dtype)
