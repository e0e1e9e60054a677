"""dct: one component of the cosine transform for each chunk of channels."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, Strict
from torch import Tensor, nn

from attnspace.errors import SpecError
from attnspace.primitives.descriptor import Region
from attnspace.primitives.statistic import Statistic

__all__ = ["Dct", "DctModule"]

Frequency = Annotated[int, Field(ge=0, le=255)]
Pair = Annotated[tuple[Frequency, Frequency], Strict(False)]  # JSON's lists; the numbers stay strict


class Dct(Statistic):
    """A component (u, v) of the orthonormal DCT-II of the map, for each of as many channel chunks as there are pairs.

    Source: FcaNet, arXiv 2012.11879, eqs. 3 and 7. The released code resamples the map first; here the basis is that
    of the map's own size, so that both agree where no resampling happens.
    """

    regions: ClassVar[frozenset[Region]] = frozenset({"global"})
    any_channels: ClassVar[bool] = False
    searched = False

    kind: Literal["dct"] = "dct"
    frequencies: Annotated[
        tuple[Pair, ...],
        Strict(False),
        Field(min_length=1, max_length=256, description="A pair (u along H, v along W) for each channel chunk."),
    ]

    def resolve(self, channels: int) -> Statistic:
        chunks = len(self.frequencies)
        if channels % chunks:
            raise SpecError(
                f"{chunks} frequencies do not divide {channels} channels",
                at=("frequencies",),
                remedy=f"use a number of them that divides {channels}",
            )
        return self

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return DctModule(self.frequencies)

    def label(self) -> str:
        return f"dct{len(self.frequencies)}"


class DctModule(nn.Module):
    """One DCT component of each channel.

    Shape:
        (N,C,H,W) -> (N,C,1,1)
    """

    along_h: Tensor
    along_w: Tensor

    def __init__(self, frequencies: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        u, v = zip(*frequencies, strict=True)
        self.register_buffer("along_h", torch.tensor(u, dtype=torch.get_default_dtype()), persistent=False)
        self.register_buffer("along_w", torch.tensor(v, dtype=torch.get_default_dtype()), persistent=False)
        self.chunks = len(frequencies)

    def forward(self, x_nchw: Tensor) -> Tensor:
        over_h = _basis(x_nchw[0, 0, :, 0], self.along_h)
        over_w = _basis(x_nchw[0, 0, 0, :], self.along_w)
        columns = torch.einsum("nfchw,fh->nfcw", x_nchw.unflatten(1, (self.chunks, -1)), over_h)
        pooled = torch.einsum("nfcw,fw->nfc", columns, over_w)
        return pooled.flatten(1).unsqueeze(2).unsqueeze(3)

    def extra_repr(self) -> str:
        return f"chunks={self.chunks}"


def _basis(line: Tensor, frequencies: Tensor) -> Tensor:
    """Orthonormal cosines along an axis as long as `line`: (frequencies, length)."""
    ones = torch.ones_like(line).to(frequencies)
    length = ones.sum()
    waves = torch.cos(frequencies.unsqueeze(1) * ((ones.cumsum(0) - 0.5) * (math.pi / length)))
    return waves * ((1 + (frequencies > 0).to(frequencies)).unsqueeze(1) / length).sqrt()
