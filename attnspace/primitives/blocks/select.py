"""select: branches of convolutions, and softmax attention between them for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from attnspace.documents.families import fault
from attnspace.errors import SpecError, within
from attnspace.primitives.block import Block
from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import (
    Layers,
    build_layers,
    check_all_channels,
    check_regions,
    label_layers,
    resolve_layers,
    sketch_layers,
)
from attnspace.primitives.node import in_order
from attnspace.primitives.sketch import TIMES, Box, Fork, Row, Sketch
from attnspace.primitives.squeeze import Squeeze
from attnspace.primitives.squeezes.global_ import Global
from attnspace.primitives.statistics.avg import Avg

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Select"]


class Select(Block):
    """Sum over the branches m of w_m U_m, w = softmax over m of a linear map of excite(squeeze(sum of U_m)).

    Without a `stem` each branch is given x; with one, the stem's output is cut into as many equal chunks of channels
    as there are branches, and each is given one of them. Branches end with C channels. The linear map to the logits,
    C for each branch, follows `excite` by itself.

    Source: selective kernels, arXiv 1903.06586, eqs. 1 to 6; split attention, arXiv 2004.08955, eqs. 1 to 3.
    """

    kind: Literal["select"] = "select"
    stem: Annotated[Layers, Field(description="Layers before the branches, which share its channels.")] = ()
    branches: Annotated[
        tuple[Layers, ...], Field(min_length=2, max_length=8, description="The layers of each branch, on the map.")
    ]
    squeeze: Annotated[Squeeze, Field(description="What of the sum of the branches decides: a global squeeze.")] = (
        Global.model_construct(stats=(Avg(),))
    )
    excite: Annotated[Layers, Field(description="Layers before the linear map to the logits.")] = ()
    bias: Annotated[bool, Field(description="Whether the linear map to the logits has a bias.")] = True

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if self.squeeze.region != "global" or self.squeeze.runs > 1:
            raise fault(
                "select decides by one global descriptor",
                at=("squeeze",),
                allowed="global, one statistic, or several with combine stack, sum, mean",
            )
        check_regions("stem", self.stem, "none")
        for i, layers in enumerate(self.branches):
            check_regions(f"branches.{i}", layers, "none")
        check_regions("excite", self.excite, "global")
        return self

    def resolve(self, channels: int) -> Block:
        stem, d = resolve_layers("stem", self.stem, Descriptor("none", channels, channels))
        chunk = self._chunk(d, stemmed=bool(stem))
        branches = []
        for i, layers in enumerate(self.branches):
            with within("branches"):
                resolved, end = resolve_layers(str(i), layers, chunk)
                check_all_channels(end, "the branch leaves", i)
            branches.append(resolved)
        with within("squeeze"):
            squeeze = self.squeeze.resolve(channels, keep_order=True)
        excite, _ = resolve_layers("excite", self.excite, squeeze.descriptor(channels))
        return self.with_(stem=stem, branches=tuple(branches), squeeze=squeeze, excite=excite)

    def _chunk(self, d: Descriptor, *, stemmed: bool) -> Descriptor:
        """The descriptor that each branch is given: an equal chunk of the stem's channels, or the whole map."""
        many = len(self.branches)
        if not stemmed:
            return d
        if d.maps % many:
            raise SpecError(f"{many} branches do not divide the stem's {d.maps} channels", at=("stem",))
        return d.to(d.maps // many)

    def canonical(self) -> Self:
        same = super().canonical()
        return same if self.stem else same.with_(branches=in_order(same.branches))

    def build(self, channels: int) -> nn.Module:
        from torch import nn

        from attnspace.modules.select import SelectModule

        stem, d = build_layers(self.stem, Descriptor("none", channels, channels))
        chunk = self._chunk(d, stemmed=bool(self.stem))
        branches = [build_layers(layers, chunk)[0] for layers in self.branches]
        squeeze = self.squeeze.build(channels)
        excite, end = build_layers(self.excite, self.squeeze.descriptor(channels))
        head = nn.Conv2d(end.maps, channels * len(branches), kernel_size=1, bias=self.bias)
        return SelectModule(stem, branches, squeeze, excite, head, chunked=bool(self.stem))

    def sketch(self) -> Sketch:
        branches = Fork(tuple(sketch_layers(layers, "none") for layers in self.branches), "each")
        decision = (
            Box("sum of branches"),
            self.squeeze.sketch(),
            *sketch_layers(self.excite, "global").items,
            Box("1x1 · softmax over branches", "gate"),
        )
        weighted = Fork((Row(), Row(decision)), "Σ" + TIMES, straight=True)
        return Row((*sketch_layers(self.stem, "none").items, branches, weighted))

    def label(self) -> str:
        stem = " > ".join([*(layer.label() for layer in self.stem), ""])
        decision = " > ".join([self.squeeze.label(), *(layer.label() for layer in self.excite)])
        return f"{stem}select[{' | '.join(map(label_layers, self.branches))}] by {decision}"

    @classmethod
    def any_of(cls) -> Any:
        rest = [{"kind": "norm"}, {"kind": "act"}]
        conv = {"kind": "conv2d", "depthwise": True, "bias": False}
        return {
            "kind": "select",
            "branches": [
                [{**conv, "kernel": 3}, *rest],
                [{**conv, "kernel": {"$choice": [3, 5]}, "dilation": {"$choice": [2, 3]}}, *rest],
            ],
            "excite": [{"kind": "project", "out": {"ratio": {"$choice": [4, 8, 16]}, "minimum": 8}}, {"kind": "act"}],
        }
