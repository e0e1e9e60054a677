"""Training, readable from top to bottom.

SGD with Nesterov momentum, label smoothing, a cosine or one-cycle schedule, augmentation on tensors. One seed
draws the weights, another stream the order of the images and a third their augmentation, so that two designs trained
with the same seed see the same images in the same order with the same shifts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from attnspace.data import Dataset, Split
from attnspace.errors import TrainingDiverged

__all__ = ["Epoch", "Recipe", "evaluate", "seeded", "train"]


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


def train(
    model: nn.Module, data: Dataset, recipe: Recipe, seed: int, on_epoch: Callable[[Epoch], None] = lambda epoch: None
) -> list[Epoch]:
    """Train `model` in place; the same seed gives the same result on the same machine.

    Returns:
        one entry for each epoch. The result is the last one's, never the best one's.

    Raises:
        TrainingDiverged: the loss is no longer a number.
    """
    normalise = _normaliser(data)
    order, shifts = seeded(seed, 1), seeded(seed, 2)
    batch_size = min(recipe.batch_size, len(data.train))
    steps_per_epoch = len(data.train) // batch_size
    steps = recipe.epochs * steps_per_epoch
    optimizer = torch.optim.SGD(
        _decayed(model, recipe.weight_decay), lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(recipe.schedule, steps))

    history: list[Epoch] = []
    for number in range(1, recipe.epochs + 1):
        model.train()
        total = torch.zeros(())
        permutation = torch.randperm(len(data.train), generator=order)
        for step in range(steps_per_epoch):
            chosen = permutation[step * batch_size : (step + 1) * batch_size]
            images = augment(data.train.images[chosen], recipe.augment, shifts)
            logits = model(normalise(images))
            loss = F.cross_entropy(logits, data.train.labels[chosen], label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            lr = float(scheduler.get_last_lr()[0])
            scheduler.step()
        train_loss = total.item() / steps_per_epoch
        if not math.isfinite(train_loss):
            raise TrainingDiverged(f"the training loss became {train_loss} in epoch {number} of {recipe.epochs}")
        val_loss, val_accuracy = evaluate(model, data.validation, normalise)
        if not math.isfinite(val_loss):
            raise TrainingDiverged(f"the validation loss became {val_loss} in epoch {number} of {recipe.epochs}")
        history.append(Epoch(number, train_loss, val_loss, val_accuracy, lr))
        on_epoch(history[-1])
    return history


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
