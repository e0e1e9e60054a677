"""The family of excite layers: a descriptor in, a descriptor out."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from attnspace.documents.families import fault
from attnspace.errors import SpecError, within
from attnspace.primitives.descriptor import REGIONS, SHAPES, Descriptor, Region
from attnspace.primitives.node import Node
from attnspace.primitives.reduction import MAX_WIDTH
from attnspace.primitives.sketch import Box, Row, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Layer",
    "Layers",
    "Sharing",
    "after_layers",
    "build_layers",
    "check_all_channels",
    "check_regions",
    "constant_after",
    "label_layers",
    "resolve_layers",
    "sketch_layers",
]

Sharing = Annotated[
    Literal["joint", "shared", "separate"],
    Field(
        description="How the two strips of a directional squeeze share the weights: joint, concatenated along their "
        "length, one application; shared, the same weights applied to each; separate, weights of their own."
    ),
]


MOST_STATISTICS = 8
"""The largest number of statistics that a squeeze may put side by side."""


class Layer(Node, family=True):
    """One step of an excitation."""

    regions: ClassVar[frozenset[Region]] = REGIONS
    """The regions whose descriptors the layer can be applied to."""

    instead: ClassVar[str] = ""
    """The remedy to name where the layer cannot be applied."""

    takes_any_type: ClassVar[bool] = False
    """Whether the layer takes a descriptor in float32 whatever the type of its weights, unlike torch's own layers."""

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        """The canonical layers that compute the same on `d`.

        Raises:
            SpecError: the layer is not possible on this descriptor.
        """
        return (self,)

    def after(self, d: Descriptor) -> Descriptor:
        """The descriptor that a resolved layer turns `d` into."""
        return d

    @abstractmethod
    def build(self, d: Descriptor) -> nn.Module:
        """The module of a resolved layer, for one tensor (N, maps, ., .)."""

    def misfit(self, region: Region) -> tuple[tuple[str | int, ...], Layer] | None:
        """The layer in here that cannot be applied to this region, after the path that leads to it; None if all can."""
        return None if region in self.regions else ((), self)

    def sketch(self, region: Region) -> Sketch:
        """The sketch of the layer on a descriptor of this region."""
        shares = self.shares() if region == "directional" else None
        return Box(self.label() + (f" ({shares})" if shares else ""), "layer")

    def any_channels(self, region: Region) -> bool:
        """Whether the layer's weights, and the descriptor it leaves, are the same at every channel count."""
        return region == "channel"

    def constant(self, given: float | None) -> float | None:
        """The number that a resolved layer leaves everywhere before it is trained; None where there is none such.

        Args:
            given: the number everywhere in the descriptor; None where it differs from place to place.
        """
        return None

    def shares(self) -> str | None:
        """How a resolved layer shares its weights between two strips; None if it has none to share."""
        return getattr(self, "sharing", None)

    @property
    def has_memory(self) -> bool:
        """Whether a resolved layer remembers what it has seen, so that the order of its applications matters."""
        return False


Layers = Annotated[tuple[Layer, ...], Field(max_length=256)]


def check_regions(field: str, layers: tuple[Layer, ...], region: Region) -> None:
    """Check, for a validator, that each layer can be applied to a descriptor of this region."""
    for i, layer in enumerate(layers):
        if found := layer.misfit(region):
            at, culprit = found
            raise fault(
                f"{culprit.kind} cannot be applied to what squeeze {region} leaves, {SHAPES[region]}",
                at=(field, i, *at),
                allowed=f"{culprit.kind} on squeeze {', '.join(sorted(culprit.regions))}",
                remedy=culprit.instead,
            )


def sketch_layers(layers: tuple[Layer, ...], region: Region) -> Row:
    """The sketch of layers one after the other."""
    return Row(tuple(layer.sketch(region) for layer in layers))


def resolve_layers(field: str, layers: tuple[Layer, ...], d: Descriptor) -> tuple[tuple[Layer, ...], Descriptor]:
    """The layers in canonical form, and the descriptor that they leave.

    Raises:
        SpecError: a layer is not possible on the descriptor it is given, or leaves too many channels.
    """
    resolved: list[Layer] = []
    for i, layer in enumerate(layers):
        with within(field, i):
            steps = layer.resolve(d)
        for step in steps:
            resolved.append(step)
            d = step.after(d)
        if d.maps > max(MAX_WIDTH, MOST_STATISTICS * d.channels):
            raise SpecError(f"the layer leaves {d.maps:,} channels", at=(field, i), allowed=f"up to {MAX_WIDTH:,}")
    return tuple(resolved), d


def after_layers(layers: tuple[Layer, ...], d: Descriptor) -> Descriptor:
    """The descriptor that resolved layers leave."""
    for layer in layers:
        d = layer.after(d)
    return d


def check_all_channels(d: Descriptor, what: str, *at: str | int) -> None:
    """Check that `d` has as many channels as the map; `what` says in the error what leaves it.

    Raises:
        SpecError: it has another number of channels.
    """
    if d.maps != d.channels:
        raise SpecError(
            f"{what} {d.maps} channels and the map has {d.channels}",
            at=at,
            allowed="as many as the map",
            remedy="end with a layer that has out C",
        )


def constant_after(layers: tuple[Layer, ...], given: float | None = None) -> float | None:
    """The number that resolved layers leave everywhere before they are trained, see `Layer.constant`."""
    for layer in layers:
        given = layer.constant(given)
    return given


def label_layers(layers: tuple[Layer, ...]) -> str:
    """The labels of layers one after the other; `as is` if there are none."""
    return " > ".join(layer.label() for layer in layers) or "as is"


def build_layers(layers: tuple[Layer, ...], d: Descriptor) -> tuple[nn.Sequential, Descriptor]:
    """The modules of resolved layers, and the descriptor that they leave."""
    from torch import nn

    modules = []
    for layer in layers:
        modules.append(layer.build(d))
        d = layer.after(d)
    return nn.Sequential(*modules), d
