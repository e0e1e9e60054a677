"""gate: squeeze -> excite -> merge -> activation -> apply, the primitive that most attention blocks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from attnspace.documents.families import fault
from attnspace.errors import SpecError, within
from attnspace.modules.words import Activation, Merge
from attnspace.primitives.block import AtFirst, Block
from attnspace.primitives.branch import Branch, check_gate
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import (
    Layer,
    Layers,
    after_layers,
    build_layers,
    check_regions,
    constant_after,
    resolve_layers,
    sketch_layers,
)
from attnspace.primitives.layers.act import EXACT, Act
from attnspace.primitives.node import Grid, in_order
from attnspace.primitives.sketch import TIMES, Box, Fork, Row, Sketch, symbol
from attnspace.primitives.squeeze import Squeeze

if TYPE_CHECKING:
    from torch import nn

    from attnspace.modules.gate import JoinMaps

__all__ = ["Gate"]


class Gate(Block):
    """x * activation(merge(excite(squeeze(x)))), or + for `apply: add`.

    `merge` joins the two strips of a directional squeeze, otherwise the statistics that went through the same
    weights one by one; with neither it is not used. Under a directional squeeze the logits of such statistics are
    summed in each strip first. A gate may instead have `branches`, a squeeze and an excitation each, which `merge`
    joins. `tail` are layers between a logit merge and the activation.

    Source: SE (arXiv 1709.01507), CBAM (1807.06521), ECA (1910.03151), Coordinate Attention (2103.02907), and BAM
    (1807.06514) for branches.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["squeeze"]}, {"required": ["branches"]}]})

    kind: Literal["gate"] = "gate"
    squeeze: Annotated[
        Squeeze | SkipJsonSchema[None], Field(description="Which region each value summarises, and what is pooled.")
    ] = None
    excite: Annotated[Layers, Field(description="Layers from the descriptor to the logits.")] = ()
    branches: Annotated[
        tuple[Branch, ...], Field(max_length=8, description="Instead of squeeze and excite: several of them, joined.")
    ] = ()
    merge: Annotated[
        Merge,
        Grid("logit_sum", "gate_product"),
        Field(description="How several maps become one: before the activation (logit) or after it (gate)."),
    ] = "logit_sum"
    tail: Annotated[Layers, Field(description="Layers between a logit merge and the activation.")] = ()
    activation: Annotated[
        Activation,
        Grid("sigmoid", "hard_sigmoid", "tanh1p", "sigmoid1p"),
        Field(description="What turns logits into the gate."),
    ] = "sigmoid"
    apply: Annotated[
        Literal["multiply", "add"], Field(description="Whether the map is multiplied by the gate, or it is added.")
    ] = "multiply"

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        if (self.squeeze is None) == (not self.branches):
            raise fault("a gate has either a squeeze or branches", remedy="add one, remove the other")
        if self.branches and self.excite:
            raise fault("the layers of a gate with branches are in its branches", at=("excite",), remedy="move them")
        if self.squeeze:
            check_regions("excite", self.excite, self.squeeze.region)
        check_regions("tail", self.tail, self._tail_region)
        if self.tail and not self.merge.startswith("logit"):
            raise fault(
                f"a tail comes between the merge and the activation, and merge {self.merge} is after it",
                at=("tail",),
                allowed="merge logit_sum, logit_product",
            )
        return self

    @property
    def _arms(self) -> tuple[Branch, ...]:
        if self.squeeze is None:
            return self.branches
        return (Branch.model_construct(squeeze=self.squeeze, excite=self.excite),)

    @property
    def _tail_region(self) -> Region:
        regions = {arm.squeeze.region for arm in self._arms}
        return "none" if "directional" in regions or len(regions) > 1 else regions.pop()

    @property
    def _merges(self) -> bool:
        squeeze = self.squeeze
        return squeeze is None or squeeze.region == "directional" or squeeze.runs > 1

    def resolve(self, channels: int) -> Block:
        if len(self.branches) == 1:
            return self._of_one_branch().resolve(channels)
        return self._tail_as_excite()._resolve(channels)

    def _of_one_branch(self) -> Gate:
        """The same gate written without `branches`: one branch sums its logits, so that nothing is left to merge."""
        (branch,) = self.branches
        return self.with_(squeeze=branch.squeeze, excite=branch.excite, branches=(), merge="logit_sum")

    def _tail_as_excite(self) -> Gate:
        """The same gate with its tail appended to `excite`, where nothing is merged between them."""
        return self if self._merges else self.with_(excite=(*self.excite, *self.tail), tail=())

    def _activated(self) -> Gate:
        """The resolved gate with a last `act` layer moved into `activation`, where that is `identity`."""
        field = "tail" if self._merges else "excite"
        layers = getattr(self, field)
        if self.activation != "identity" or not layers or not isinstance(layers[-1], Act):
            return self
        return self.with_(**{field: layers[:-1]}, activation=layers[-1].fn)._activated()

    def _resolve(self, channels: int) -> Block:
        merge = self._canonical_merge()
        arms: list[Branch] = []
        ends: list[Descriptor] = []
        for i, arm in enumerate(self._arms):
            sums = self.squeeze is None or merge == "logit_sum" or arm.squeeze.region == "directional"
            with within(*(("branches", i) if self.branches else ())):
                resolved, end = arm.resolve(channels, sums=sums)
                if self.branches:
                    check_gate(end, "excite")
            arms.append(resolved)
            ends.append(end)
        parts = {"branches": tuple(arms)} if self.branches else {"squeeze": arms[0].squeeze, "excite": arms[0].excite}
        gate = self.with_(**parts, merge=merge)
        if gate._merges != self._merges:  # statistics that were merged are one sum now
            return gate.resolve(channels)
        tail, d = resolve_layers("tail", self.tail, self._joined(ends))
        check_gate(d, "tail" if tail else "excite")
        if self.activation == "softmax" and merge.startswith("gate") and len({end.maps for end in ends}) > 1:
            raise SpecError("softmax of branches with one channel and with C", at=("merge",), allowed="a logit merge")
        return gate.with_(tail=tail)._activated()

    def _canonical_merge(self) -> Merge:
        if not self._merges:
            return "logit_sum"
        if self.activation == "identity" and self.merge in ("gate_sum", "gate_product"):
            return "logit_sum" if self.merge == "gate_sum" else "logit_product"
        return self.merge

    def _joined(self, ends: list[Descriptor]) -> Descriptor:
        widest = max(ends, key=lambda end: end.maps)
        return Descriptor(self._tail_region, widest.channels, widest.maps, widest.stacked)

    def canonical(self) -> Self:
        same = super().canonical()
        return same.with_(branches=in_order(same.branches)) if self.branches else same

    @property
    def any_channels(self) -> bool:
        arms = all(arm.any_channels for arm in self._arms)
        return arms and all(layer.any_channels(self._tail_region) for layer in self.tail)

    @property
    def at_first(self) -> AtFirst:
        """What the gate makes of the map where the gate is 0 or 1 everywhere at first."""
        gate = self._gate_at_first()
        if self.apply == "add":
            return "identity" if gate == 0 else None
        return "identity" if gate == 1 else "zero" if gate == 0 else None

    @property
    def keeps_zero(self) -> bool:
        return self.apply == "multiply"

    def _gate_at_first(self) -> float | None:
        """The number that the gate is everywhere before it is trained; None where it is none, or neither 0 nor 1."""
        logits = [constant_after(arm.excite) for arm in self._arms]
        level, how = self.merge.split("_")
        if not self._merges:
            return _activated(self.activation, logits[0])
        if level == "logit":
            is_zero = all(logit == 0 for logit in logits) or (how == "product" and 0 in logits)
            ones = how == "product" and all(logit == 1 for logit in logits)
            logit = 0.0 if is_zero else 1.0 if ones else None
            return _activated(self.activation, constant_after(self.tail, logit))
        gates = {_activated(self.activation, logit) for logit in logits}
        gate = gates.pop() if len(gates) == 1 else None
        return None if gate == 1 and how == "sum" else gate

    def build(self, channels: int) -> nn.Module:
        from attnspace.modules.gate import GateModule, JoinedGateModule

        add = self.apply == "add"
        if self.squeeze is None:
            branches = [branch.build(channels, self.tail) for branch in self.branches]
            return JoinedGateModule(branches, self._build_join(channels), add=add)
        squeeze, excite = self._arms[0].build_parts(channels, self.tail)
        strips = self.squeeze.region == "directional"
        return GateModule(squeeze, excite, self._build_join(channels), strips=strips, add=add)

    def _build_join(self, channels: int) -> JoinMaps:
        from attnspace.modules.activation import activate
        from attnspace.modules.gate import JoinMaps

        ends = [after_layers(arm.excite, arm.squeeze.descriptor(channels)) for arm in self._arms]
        tail, d = build_layers(self.tail, self._joined(ends))
        return JoinMaps(self.merge, tail, activate(self.activation, d.maps))

    def sketch(self) -> Sketch:
        level, how = self.merge.split("_")
        activation = Box(self.activation, "gate")
        inside = (activation,) if level == "gate" and self._merges else ()
        arms = [(*arm.sketch(), *inside) for arm in self._arms]
        if self.branches:
            path: list[Sketch] = [Fork(tuple(Row(arm) for arm in arms), symbol(how))]
        else:
            path = [*arms[0], *([Box(symbol(how), "gate")] if self._merges else [])]
        path += [*sketch_layers(self.tail, self._tail_region).items, *(() if inside else (activation,))]
        return Fork((Row(), Row(tuple(path))), "+" if self.apply == "add" else TIMES, straight=True)

    def label(self) -> str:
        arms = [arm.label() for arm in self._arms]
        steps = [
            f"({' | '.join(arms)})" if self.branches else arms[0],
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


def _activated(activation: Activation, logit: float | None) -> float | None:
    return None if logit is None else EXACT.get(activation, {}).get(logit)
