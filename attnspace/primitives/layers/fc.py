"""fc: the bottleneck, C -> hidden -> C."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from attnspace.errors import within
from attnspace.modules.words import Activation
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer, Sharing
from attnspace.primitives.layers.act import Act
from attnspace.primitives.layers.norm import Norm
from attnspace.primitives.layers.project import Project, ZeroInit
from attnspace.primitives.node import Grid
from attnspace.primitives.reduction import Reduction
from attnspace.primitives.sketch import Box, Sketch
from attnspace.primitives.width import width_label

__all__ = ["Fc"]

SIXTEEN = Reduction(ratio=16)


class Fc(Layer):
    """Two linear maps with a bottleneck between them: project, norm, act, project.

    On a directional squeeze it is a joint stem (both strips concatenated, so that a norm sees both) with
    a head of its own for each strip.

    Source: SE, arXiv 1709.01507, eq. 3; Coordinate Attention, arXiv 2103.02907, eqs. 6 to 8.
    """

    kind: Literal["fc"] = "fc"
    reduction: Annotated[Reduction, Grid(4, 8, 16), Field(description="How wide the bottleneck is.")] = SIXTEEN
    bias: Annotated[bool, Field(description="Whether both linear maps have a bias.")] = True
    norm: Annotated[
        Literal["batch", "layer"] | None,
        Grid(None, "batch"),
        Field(description="Normalisation of the hidden units: over the batch, or over those of each sample."),
    ] = None
    act: Annotated[
        Activation, Grid("relu", "silu", "hard_swish"), Field(description="Nonlinearity of the hidden units.")
    ] = "relu"
    zero_init: ZeroInit = None

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        """The resolved layers that the bottleneck stands for, as it has no module of its own."""
        with within("reduction"):
            hidden = Reduction.of(self.reduction.at(d.channels))
        head_sharing: Sharing = "separate" if d.region == "directional" else "joint"
        layers = (
            Project(out=hidden, bias=self.bias),
            *([Norm(type=self.norm)] if self.norm else []),
            Act(fn=self.act),
            Project(bias=self.bias, sharing=head_sharing, zero_init=self.zero_init),
        )
        resolved: list[Layer] = []
        for layer in layers:
            for step in layer.resolve(d):
                resolved.append(step)
                d = step.after(d)
        return tuple(resolved)

    def any_channels(self, region: Region) -> bool:
        return False

    def build(self, d: Descriptor) -> Any:
        raise AssertionError("fc is resolved into project, norm and act before anything is built")

    def sketch(self, region: Region) -> Sketch:
        middle = " · ".join([*({"batch": ["BN"], "layer": ["LN"]}.get(self.norm or "", [])), self.act])
        strips = ", a head for each strip" if region == "directional" else ""
        return Box(f"fc C → {width_label(self.reduction)} · {middle} → C{strips}", "layer")

    def label(self) -> str:
        extras = [
            *({"batch": ["bn"], "layer": ["ln"]}.get(self.norm or "", [])),
            *([self.act] if self.act != "relu" else []),
        ]
        return "+".join([f"fc{self.reduction.label()}", *extras])
