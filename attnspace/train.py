"""Training, readable from top to bottom.

SGD with Nesterov momentum, label smoothing, a cosine or one-cycle schedule, augmentation on tensors. One seed
draws the weights, another stream the order of the images and a third their augmentation, so that two designs trained
with the same seed see the same images in the same order with the same shifts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from attnspace.data import Dataset, Split
from attnspace.errors import TrainingDiverged

__all__ = ["Epoch", "Recipe", "Training", "evaluate", "seeded", "train"]


class Augment(BaseModel):
    """Random changes to each training image: a shift of up to `shift` pixels, a mirror image."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shift: Annotated[int, Field(ge=0, le=64, description="Pixels, at most, in each direction.")] = 0
    flip: Annotated[bool, Field(description="Mirror half of the images.")] = False


class Recipe(BaseModel):
    """How every design of a study is trained.

    Units: `lr` is the peak learning rate, `weight_decay` the L2 coefficient, applied to weights of two axes or more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Units: losses are cross-entropy in nats (the training loss with label smoothing), accuracies from 0 to 1.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    lr: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)


def seeded(seed: int, stream: int) -> torch.Generator:
    """A random stream of its own: the same for the same seed and number."""
    generator = torch.Generator()
    generator.manual_seed((seed * 1_000_003 + stream) % 2**63)
    return generator


class Training:
    """The training of one model, which may stop after any epoch and go on later, in another process, to the same end.

    The learning rate follows the schedule of all of the recipe's epochs, wherever the training stops.

    Args:
        model: trained in place.
        data: training and validation images.
        recipe: how.
        seed: of the order of the images and of their augmentation.
    """

    def __init__(self, model: nn.Module, data: Dataset, recipe: Recipe, seed: int) -> None:
        self.model, self.data, self.recipe = model, data, recipe
        self.history: list[Epoch] = []
        self._normalise = _normaliser(data)
        self._order, self._shifts = seeded(seed, 1), seeded(seed, 2)
        self._batch_size = min(recipe.batch_size, len(data.train))
        self._steps = len(data.train) // self._batch_size
        self._optimizer = torch.optim.SGD(
            _decayed(model, recipe.weight_decay), lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0
        )
        schedule = _schedule(recipe.schedule, recipe.epochs * self._steps)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimizer, schedule)

    def run(self, until: int, on_epoch: Callable[[Epoch], None] = lambda epoch: None) -> list[Epoch]:
        """Train up to the end of epoch `until`.

        Returns:
            the history, one entry for each epoch. The result is the last one's, never the best one's.

        Raises:
            TrainingDiverged: the loss is no longer a number.
        """
        for number in range(len(self.history) + 1, until + 1):
            self.history.append(self._epoch(number))
            on_epoch(self.history[-1])
        return self.history

    def _epoch(self, number: int) -> Epoch:
        model, data, recipe = self.model, self.data, self.recipe
        model.train()
        total = torch.zeros(())
        permutation = torch.randperm(len(data.train), generator=self._order)
        for step in range(self._steps):
            chosen = permutation[step * self._batch_size : (step + 1) * self._batch_size]
            images = augment(data.train.images[chosen], recipe.augment, self._shifts)
            logits = model(self._normalise(images))
            loss = F.cross_entropy(logits, data.train.labels[chosen], label_smoothing=recipe.label_smoothing)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
            total += loss.detach()
            lr = float(self._scheduler.get_last_lr()[0])
            self._scheduler.step()
        train_loss = total.item() / self._steps
        if not math.isfinite(train_loss):
            raise TrainingDiverged(f"the training loss became {train_loss} in epoch {number} of {recipe.epochs}")
        val_loss, val_accuracy = self.evaluate(data.validation)
        if not math.isfinite(val_loss):
            raise TrainingDiverged(f"the validation loss became {val_loss} in epoch {number} of {recipe.epochs}")
        return Epoch(number, train_loss, val_loss, val_accuracy, lr)

    def evaluate(self, split: Split) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on a split."""
        return evaluate(self.model, split, self._normalise)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as `torch.save` writes it and `torch.load(weights_only=True)` reads it."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "order": self._order.get_state(),
            "shifts": self._shifts.get_state(),
            "history": [epoch.to_dict() for epoch in self.history],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to where `state` was taken, in a training that was set up alike.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it is the state of another training.
        """
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self._order.set_state(state["order"])
        self._shifts.set_state(state["shifts"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]


def train(
    model: nn.Module, data: Dataset, recipe: Recipe, seed: int, on_epoch: Callable[[Epoch], None] = lambda epoch: None
) -> list[Epoch]:
    """Train `model` in place, to the end; the same seed gives the same result on the same machine.

    Returns:
        one entry for each epoch.

    Raises:
        TrainingDiverged: the loss is no longer a number.
    """
    return Training(model, data, recipe, seed).run(recipe.epochs, on_epoch)


@torch.no_grad()
def evaluate(
    model: nn.Module, split: Split, normalise: Callable[[Tensor], Tensor], batch_size: int = 512
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on a split."""
    model.eval()
    loss, correct = 0.0, 0
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        logits = model(normalise(images))
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        correct += int((logits.argmax(1) == labels).sum())
    return loss / len(split), correct / len(split)


def augment(images: Tensor, how: Augment, generator: torch.Generator) -> Tensor:
    """Shift and mirror each image by itself; pixels that come in from outside are 0.

    Shape:
        (N, C, H, W) uint8 -> the same
    """
    n, channels, height, width = images.shape
    if how.shift:
        padded = F.pad(images, [how.shift] * 4)
        top, left = torch.randint(0, 2 * how.shift + 1, (2, n, 1), generator=generator)
        rows = (top + torch.arange(height))[:, None, :, None]
        columns = (left + torch.arange(width))[:, None, None, :]
        images = padded[torch.arange(n)[:, None, None, None], torch.arange(channels)[:, None, None], rows, columns]
    if how.flip:
        mirrored = torch.rand(n, generator=generator) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images


def _normaliser(data: Dataset) -> Callable[[Tensor], Tensor]:
    mean, scale = data.mean[:, None, None], 1 / data.std[:, None, None]
    return lambda images: (images.float() - mean) * scale


def _decayed(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and the scales of norms, which have one axis, do not."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _schedule(name: str, steps: int) -> Callable[[int], float]:
    """Step -> fraction of the peak learning rate.

    cosine      from the peak down to 0
    one_cycle   up for a quarter of the steps, then down to 0, both along a cosine
    """
    rise = steps // 4 if name == "one_cycle" else 0

    def fraction(step: int) -> float:
        if step < rise:
            return 0.5 - 0.48 * math.cos(math.pi * (step + 1) / (rise + 1))
        return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(1, steps - rise))

    return fraction
