"""fc: the bottleneck, C -> hidden -> C."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from attnspace.errors import within
from attnspace.primitives.activation import Activation
from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer, Sharing
from attnspace.primitives.layers.act import Act
from attnspace.primitives.layers.norm import Norm
from attnspace.primitives.layers.project import Project
from attnspace.primitives.node import Grid
from attnspace.primitives.reduction import Reduction

__all__ = ["Fc"]

SIXTEEN = Reduction(ratio=16)


class Fc(Layer):
    """Two linear maps with a bottleneck between them: project, norm, act, project.

    On a directional squeeze it is a joint stem (both strips concatenated, so that a norm sees both) with
    a head of its own for each strip.

    Source: SE, arXiv 1709.01507, eq. 3; Coordinate Attention, arXiv 2103.02907, eqs. 6 to 8.
    """

    kind: Literal["fc"] = "fc"
    reduction: Annotated[Reduction, Grid(4, 8, 16)] = SIXTEEN
    bias: bool = True
    norm: Annotated[Literal["batch"] | None, Grid(None, "batch")] = None
    act: Annotated[Activation, Grid("relu", "silu", "hard_swish")] = "relu"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        """The layers that it stands for, resolved: there is no module of its own."""
        with within("reduction"):
            hidden = Reduction.of(self.reduction.at(d.channels))
        head_sharing: Sharing = "separate" if d.region == "directional" else "joint"
        layers = (
            Project(out=hidden, bias=self.bias),
            *([Norm(type=self.norm)] if self.norm else []),
            Act(fn=self.act),
            Project(bias=self.bias, sharing=head_sharing),
        )
        resolved: list[Layer] = []
        for layer in layers:
            for step in layer.resolve(d):
                resolved.append(step)
                d = step.after(d)
        return tuple(resolved)

    def build(self, d: Descriptor) -> Any:
        raise AssertionError("fc is resolved into project, norm and act before anything is built")

    def label(self) -> str:
        extras = [*(["bn"] if self.norm else []), *([self.act] if self.act != "relu" else [])]
        return "+".join([f"fc{self.reduction.label()}", *extras])
