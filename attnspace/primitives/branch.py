"""A branch of a gate: what is pooled, and the layers that turn it into logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from attnspace.documents.models import Strict
from attnspace.errors import SpecError, within
from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer, Layers, build_layers, check_regions, resolve_layers, sketch_layers
from attnspace.primitives.node import Node
from attnspace.primitives.sketch import Sketch
from attnspace.primitives.squeeze import PoolingSqueeze, Squeeze
from attnspace.primitives.strips import build_strips

if TYPE_CHECKING:
    from torch import nn

    from attnspace.modules.gate import BranchModule

__all__ = ["Branch", "check_gate"]


@Node.registry.dependent
class Branch(Strict):
    """Squeeze and excitation. The logits of several statistics, and those of two strips, are summed."""

    model_config = ConfigDict(defer_build=True)

    squeeze: Annotated[Squeeze, Field(description="Which region each value summarises, and what is pooled.")]
    excite: Annotated[Layers, Field(description="Layers from the descriptor to the logits.")] = ()

    @model_validator(mode="after")
    def _layers_fit_their_region(self) -> Self:
        check_regions("excite", self.excite, self.squeeze.region)
        return self

    @model_serializer(mode="wrap")
    def _shortest(self, handler: SerializerFunctionWrapHandler) -> Any:
        return {name: value for name, value in handler(self).items() if name == "squeeze" or value}

    def resolve(self, channels: int, *, sums: bool) -> tuple[Branch, Descriptor]:
        """The canonical form at C channels, and the descriptor it leaves; `sums` if the statistics' logits are summed.

        Raises:
            SpecError: the branch is not possible at this channel count.
        """
        excite, d = resolve_layers("excite", self.excite, self.squeeze.descriptor(channels))
        with within("squeeze"):
            squeeze = self.squeeze.resolve(channels, keep_order=any(layer.has_memory for layer in excite))
        if sums and isinstance(squeeze, PoolingSqueeze) and squeeze.runs > 1 and not excite:
            return self.with_(squeeze.with_(combine="sum"), ()).resolve(channels, sums=sums)
        return self.with_(squeeze, excite), d

    def with_(self, squeeze: Squeeze, excite: tuple[Layer, ...]) -> Branch:
        """A copy with this squeeze and these layers, which are not validated again."""
        return self.model_copy(update={"squeeze": squeeze, "excite": excite})

    def canonical(self) -> Branch:
        """A resolved branch whose parts stand in one order where their order does not matter."""
        return self.with_(self.squeeze.canonical(), tuple(layer.canonical() for layer in self.excite))

    @property
    def any_channels(self) -> bool:
        """Whether its weights are the same at every channel count."""
        layers = all(layer.any_channels(self.squeeze.region) for layer in self.excite)
        return layers and self.squeeze.any_channels

    def build_parts(self, channels: int, tail: tuple[Layer, ...]) -> tuple[nn.Module, nn.Sequential]:
        """The modules of a resolved branch: squeeze and excitation; `tail` are the layers that its logits go on to."""
        squeeze = self.squeeze.build(channels, wide=all(layer.takes_any_type for layer in (*self.excite, *tail)))
        layers = build_strips if self.squeeze.region == "directional" else build_layers
        return squeeze, layers(self.excite, self.squeeze.descriptor(channels))[0]

    def build(self, channels: int, tail: tuple[Layer, ...]) -> BranchModule:
        """The module of a resolved branch, whose logits go on to the layers of `tail`."""
        from attnspace.modules.gate import BranchModule

        return BranchModule(*self.build_parts(channels, tail), strips=self.squeeze.region == "directional")

    def sketch(self) -> tuple[Sketch, ...]:
        """The sketches of the squeeze and of each layer, in order."""
        return self.squeeze.sketch(), *sketch_layers(self.excite, self.squeeze.region).items

    def label(self) -> str:
        """The squeeze and the layers in a few characters."""
        return " > ".join([self.squeeze.label(), *(layer.label() for layer in self.excite)])


def check_gate(d: Descriptor, field: str) -> None:
    """Check that the descriptor which the layers of `field` leave is a gate for C channels.

    Raises:
        SpecError: the descriptor has neither one channel nor C, or holds statistics that lie side by side.
    """
    if d.maps not in (1, d.channels) or d.stacked > 1:
        raise SpecError(
            f"the gate has {d.maps} channels and the map has {d.channels}",
            at=(field,),
            allowed="1 or as many as the map",
            remedy="end with a layer that has out C",
        )
