"""How every design of a study is trained."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from attnspace.data.augment import Augment
from attnspace.training.train import Train

__all__ = ["Recipe"]


class Recipe(Train):
    """How every design of a study is trained.

    Units: `lr` is the peak learning rate, `weight_decay` the L2 coefficient, applied to weights of two axes or more;
    `grad_clip` the largest norm of all gradients together.
    """

    kind: Annotated[Literal["sgd"], Field(description="Stochastic gradient descent.")] = "sgd"
    epochs: Annotated[int, Field(ge=1, le=10_000, description="Passes over the training images.")] = 20
    batch_size: Annotated[int, Field(ge=2, le=65_536, description="Images in a step.")] = 64
    lr: Annotated[float, Field(gt=0, le=100, description="The peak learning rate.")] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1, description="Nesterov momentum.")] = 0.9
    weight_decay: Annotated[float, Field(ge=0, le=1, description="L2, on weights of two axes or more.")] = 5e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="Share of the label given to all classes.")] = 0.0
    schedule: Annotated[Literal["cosine", "one_cycle"], Field(description="How the learning rate goes down.")] = (
        "one_cycle"
    )
    augment: Annotated[Augment, Field(description="Random changes to each training image.")] = Augment()
    grad_clip: Annotated[float | None, Field(gt=0, description="The largest norm of the gradients; null for any.")] = (
        None
    )
    ema: Annotated[
        float | None, Field(gt=0, lt=1, description="Decay of averaged weights, which are evaluated; null for none.")
    ] = None
    precision: Annotated[
        Literal["float32", "bfloat16"], Field(description="Of convolutions and matrix products, by autocast.")
    ] = "float32"
    cuda_graph: Annotated[
        bool,
        Field(description="Replay steps on a GPU as one graph: a network's decisions in Python are then made once."),
    ] = True
    compile: Annotated[bool, Field(description="Compile each network with torch.compile: minutes, once a trial.")] = (
        False
    )
    deterministic: Annotated[
        bool, Field(description="Only algorithms that give the same result each time; slower on a GPU.")
    ] = False

    def rates(self, steps_per_epoch: int) -> list[float]:
        """The learning rate of every step.

        cosine      from the peak down to 0
        one_cycle   up for a quarter of the steps, then down to 0, both along a cosine
        """
        steps = self.epochs * steps_per_epoch
        rise = self._rise(steps)
        return [self.lr * _fraction(step, rise, steps) for step in range(steps)]

    @property
    def rise(self) -> int:
        return self._rise(self.epochs)

    def _rise(self, length: int) -> int:
        """For how much of a length, in epochs or in steps, the learning rate rises."""
        return length // 4 if self.schedule == "one_cycle" else 0

    def averaging(self, steps_per_epoch: int) -> list[float]:
        """How much of the new weights the average takes in at every step: much at first, in the end 1 - `ema`."""
        assert self.ema is not None
        steps = range(self.epochs * steps_per_epoch)
        return [1 - min(self.ema, (1 + step) / (10 + step)) for step in steps]


def _fraction(step: int, rise: int, steps: int) -> float:
    """The learning rate at a step, as a share of the peak."""
    if step < rise:
        return 0.5 - 0.48 * math.cos(math.pi * (step + 1) / (rise + 1))
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(1, steps - rise))
