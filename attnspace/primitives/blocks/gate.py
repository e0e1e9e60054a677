"""gate: squeeze -> excite -> merge -> activation -> apply, the primitive that most attention blocks are made of."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from attnspace.errors import SpecError, within
from attnspace.primitives.activation import ACTIVATIONS, Activation
from attnspace.primitives.block import Block
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer
from attnspace.primitives.layers.act import Act
from attnspace.primitives.node import Grid, fault
from attnspace.primitives.squeeze import PoolingSqueeze, Squeeze

__all__ = ["Gate", "GateModule", "JoinMaps", "JoinStrips", "Joint", "Merge", "Separate", "Shared"]

Merge = Literal["logit_sum", "logit_product", "gate_product", "gate_sum", "gate_mean", "gate_max"]
"""How several maps become one gate: before the activation (`logit_*`) or after it (`gate_*`)."""

Layers = Annotated[tuple[Layer, ...], Field(max_length=64)]


class Gate(Block):
    """x * activation(merge(excite(squeeze(x)))), or + for `apply: add`.

    `merge` joins the two strips of a directional squeeze, otherwise the statistics that went through the same
    weights one by one; with neither it is not used. Under a directional squeeze the logits of such statistics are
    summed in each strip first. `tail` are layers between a logit merge and the activation.

    Source: SE (arXiv 1709.01507), CBAM (1807.06521), ECA (1910.03151), Coordinate Attention (2103.02907).
    """

    kind: Literal["gate"] = "gate"
    squeeze: Squeeze
    excite: Layers = ()
    merge: Annotated[Merge, Grid("logit_sum", "gate_product")] = "logit_sum"
    tail: Layers = ()
    activation: Annotated[Activation, Grid("sigmoid", "hard_sigmoid")] = "sigmoid"
    apply: Literal["multiply", "add"] = "multiply"

    @model_validator(mode="after")
    def _layers_fit_their_region(self) -> Self:
        for field, layers, region in (
            ("excite", self.excite, self.squeeze.region),
            ("tail", self.tail, self._tail_region),
        ):
            for i, layer in enumerate(layers):
                if region not in layer.regions:
                    raise fault(
                        f"{layer.kind} cannot be applied to what squeeze {self.squeeze.kind} leaves, {SHAPES[region]}",
                        at=(field, i),
                        allowed=f"{layer.kind} on squeeze {', '.join(sorted(layer.regions))}",
                        remedy=layer.refused,
                    )
        if self.tail and not self.merge.startswith("logit"):
            raise fault(
                f"a tail comes between the merge and the activation, and merge {self.merge} is after it",
                at=("tail",),
                allowed="merge logit_sum, logit_product",
            )
        return self

    @property
    def _tail_region(self) -> Region:
        return "none" if self.squeeze.region == "directional" else self.squeeze.region

    def resolve(self, channels: int) -> Block:
        return self._without_synonyms()._resolve(channels)

    def _without_synonyms(self) -> Gate:
        """Where nothing is merged, a tail is more excitation, and a last act with no activation is the activation."""
        if self._merges:
            return self
        layers, activation = (*self.excite, *self.tail), self.activation
        last = layers[-1] if layers else None
        if activation == "identity" and isinstance(last, Act):
            layers, activation = layers[:-1], last.fn
        return self.with_(excite=layers, tail=(), activation=activation)

    def _resolve(self, channels: int) -> Block:
        d = self.squeeze.descriptor(channels)
        excite, d = _resolve_layers("excite", self.excite, d)
        keep_order = any(layer.has_memory for layer in excite)
        squeeze = self.squeeze.resolve(keep_order=keep_order)
        merge = self._canonical_merge()
        sums_logits = merge == "logit_sum" or squeeze.region == "directional"
        if sums_logits and isinstance(squeeze, PoolingSqueeze) and squeeze.runs > 1 and not excite:
            return self.with_(squeeze=squeeze.with_(combine="sum")).resolve(channels)
        tail, d = _resolve_layers("tail", self.tail, self._before_tail(d))
        if d.maps not in (1, channels):
            raise SpecError(
                f"the gate has {d.maps} channels and the map has {channels}",
                at=("tail",) if tail else ("excite",),
                allowed="1 or as many as the map",
                remedy="end with a layer that has out C",
            )
        return self.with_(squeeze=squeeze, excite=excite, merge=merge, tail=tail)

    @property
    def _merges(self) -> bool:
        return self.squeeze.region == "directional" or self.squeeze.runs > 1

    def _canonical_merge(self) -> Merge:
        if not self._merges:
            return "logit_sum"
        if self.activation == "identity" and self.merge in ("gate_sum", "gate_product"):
            return "logit_sum" if self.merge == "gate_sum" else "logit_product"
        return self.merge

    def _before_tail(self, d: Descriptor) -> Descriptor:
        return Descriptor(self._tail_region, d.channels, d.maps, d.stacked)

    def build(self, channels: int) -> nn.Module:
        d = self.squeeze.descriptor(channels)
        squeeze = self.squeeze.build()
        strips = self.squeeze.region == "directional"
        excite, d = _build_strips(self.excite, d) if strips else _build_layers(self.excite, d)
        tail, _ = _build_layers(self.tail, self._before_tail(d))
        join = JoinMaps(self.merge, tail, ACTIVATIONS[self.activation]())
        return GateModule(squeeze, excite, JoinStrips(join) if strips else join, add=self.apply == "add")

    def label(self) -> str:
        steps = [
            self.squeeze.label(),
            *(layer.label() for layer in self.excite),
            *([self.merge] if self.merge != "logit_sum" and self._merges else []),
            *(layer.label() for layer in self.tail),
            *([self.activation] if self.activation != "sigmoid" else []),
            *(["add"] if self.apply == "add" else []),
        ]
        return " > ".join(steps)

    @classmethod
    def any_of(cls) -> Any:
        """One alternative for each squeeze, so that only layers that fit its region are offered."""
        gate = super().any_of()
        layers = [layer for layer in Layer.members.values() if layer.searched]
        return {
            "$choice": [
                {
                    **gate,
                    "squeeze": squeeze.any_of(),
                    "excite": [{"$choice": [layer.any_of() for layer in layers if squeeze.region in layer.regions]}],
                }
                for squeeze in Squeeze.members.values()
                if squeeze.searched
            ]
        }


SHAPES: dict[Region, str] = {
    "global": "one value for each channel",
    "channel": "one value for each position",
    "directional": "two strips",
    "none": "the map itself",
}


def _resolve_layers(field: str, layers: tuple[Layer, ...], d: Descriptor) -> tuple[tuple[Layer, ...], Descriptor]:
    resolved: list[Layer] = []
    for i, layer in enumerate(layers):
        with within(field, i):
            steps = layer.resolve(d)
        for step in steps:
            resolved.append(step)
            d = step.after(d)
    return tuple(resolved), d


def _build_layers(layers: tuple[Layer, ...], d: Descriptor) -> tuple[nn.Sequential, Descriptor]:
    modules = []
    for layer in layers:
        modules.append(layer.build(d))
        d = layer.after(d)
    return nn.Sequential(*modules), d


def _build_strips(layers: tuple[Layer, ...], d: Descriptor) -> tuple[nn.Sequential, Descriptor]:
    """Neighbouring layers that share alike become one step, so that strips are concatenated once."""
    sharing: list[str] = []
    for layer in layers:
        sharing.append(layer.shares() or (sharing[-1] if sharing else "shared"))
    steps: list[nn.Module] = []
    for how, group in groupby(zip(sharing, layers, strict=True), key=lambda pair: pair[0]):
        members = tuple(layer for _, layer in group)
        module, after = _build_layers(members, d)
        if how == "separate":
            steps.append(Separate(module, _build_layers(members, d)[0]))
        else:
            steps.append(Joint(module) if how == "joint" else Shared(module))
        d = after
    return nn.Sequential(*steps), d


class GateModule(nn.Module):
    """x * gate, or x + gate.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, squeeze: nn.Module, excite: nn.Module, join: nn.Module, add: bool) -> None:
        super().__init__()
        self.squeeze = squeeze
        self.excite = excite
        self.join = join
        self.add = add

    def forward(self, x_nchw: Tensor) -> Tensor:
        gate = self.join([self.excite(descriptor) for descriptor in self.squeeze(x_nchw)])
        return x_nchw + gate if self.add else x_nchw * gate


class JoinMaps(nn.Module):
    """Logits of one region -> gate.

    Shape:
        a list of (N,maps,.,.) -> (N, 1 or C, .,.)
    """

    def __init__(self, merge: Merge, tail: nn.Sequential, activation: nn.Module) -> None:
        super().__init__()
        self.level, self.how = merge.split("_")
        self.tail = tail
        self.activation = activation

    def forward(self, logits: list[Tensor]) -> Tensor:
        if self.level == "logit":
            return self.activation(self.tail(_fold(self.how, logits)))
        return _fold(self.how, [self.activation(logit) for logit in logits])

    def extra_repr(self) -> str:
        return f"{self.level} {self.how}"


class JoinStrips(nn.Module):
    """Logits of the strips -> gate; those of several statistics are summed in each strip first.

    Shape:
        a list of pairs (N,maps,H,1), (N,maps,W,1) -> (N, 1 or C, H, W)
    """

    def __init__(self, maps: JoinMaps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, logits: list[tuple[Tensor, Tensor]]) -> Tensor:
        rows = _fold("sum", [pair[0] for pair in logits])
        columns = _fold("sum", [pair[1] for pair in logits]).transpose(2, 3)
        return self.maps([rows, columns])


def _fold(how: str, maps: list[Tensor]) -> Tensor:
    folded = maps[0]
    for one in maps[1:]:
        if how == "product":
            folded = folded * one
        elif how == "max":
            folded = torch.maximum(folded, one)
        else:
            folded = folded + one
    return folded / len(maps) if how == "mean" else folded


class Joint(nn.Module):
    """One application to both strips, concatenated along their length.

    Shape:
        (N,maps,H,1), (N,maps,W,1) -> the same with the layers' maps
    """

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        both = self.layers(torch.cat([rows, columns], dim=2))
        rows, columns = both.split([rows.shape[2], columns.shape[2]], dim=2)
        return rows, columns


class Shared(nn.Module):
    """The same weights applied to each strip, rows first."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        return self.layers(rows), self.layers(columns)


class Separate(nn.Module):
    """Weights of their own for each strip."""

    def __init__(self, rows: nn.Module, columns: nn.Module) -> None:
        super().__init__()
        self.rows = rows
        self.columns = columns

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        return self.rows(rows), self.columns(columns)
