"""dct: one component of the cosine transform for each chunk of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, Strict

from attnspace.errors import SpecError
from attnspace.primitives.descriptor import Region
from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Dct"]

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
        from attnspace.modules.statistics import DctModule

        return DctModule(self.frequencies)

    def label(self) -> str:
        return f"dct{len(self.frequencies)}"
