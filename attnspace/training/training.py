"""Training, readable from top to bottom: epochs of `attnspace.training.step`, under a recipe.

One seed draws the weights, another stream the order of the images, a third their augmentation and a fourth what
dropout drops, so that two designs trained with the same seed see the same images in the same order with the same
shifts. The images lie on the device; nothing is sent there but an epoch's order and its random numbers.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnspace.data import Dataset
from attnspace.data.augment import draws
from attnspace.data.loader import Batches, DeviceData
from attnspace.errors import TrainingDiverged, TrainingFailed
from attnspace.training.cuda_graph import GraphedEpoch
from attnspace.training.epoch import Epoch
from attnspace.training.recipe import Recipe
from attnspace.training.step import Step

__all__ = ["Training", "algorithms", "answered", "evaluate", "random_stream", "train"]


EVALUATED = 512
"""Images in a batch of an evaluation, at most."""


def random_stream(seed: int, stream: int) -> torch.Generator:
    """A random stream of its own: the same for the same seed and number."""
    generator = torch.Generator()
    generator.manual_seed((seed * 1_000_003 + stream) % 2**63)
    return generator


class Training:
    """The training of one model, which may stop after any epoch and go on later, in another process, to the same end:
    to the last bit on a CPU, and on a GPU with deterministic algorithms.

    The learning rate follows the schedule of all of the recipe's epochs, wherever the training stops.

    Args:
        model: trained in place, and moved to where the images are.
        data: training and validation images; as a `DeviceData` where they are on a device already.
        recipe: how.
        seed: of the order of the images, of their augmentation, and of layers that draw numbers.

    Attributes:
        history: one entry for each epoch.
        how: in words, how steps are taken.
    """

    def __init__(self, model: nn.Module, data: Dataset | DeviceData, recipe: Recipe, seed: int) -> None:
        self.device_data = device_data = data if isinstance(data, DeviceData) else DeviceData(data)
        on_gpu = device_data.device.type == "cuda"
        self.model = model.to(device_data.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe = recipe
        self.history: list[Epoch] = []
        self.how = "one by one"
        self._seed = seed
        self._order, self._shifts = random_stream(seed, 1), random_stream(seed, 2)
        self._batch_size = min(recipe.batch_size, len(device_data.train))
        self._steps = len(device_data.train) // self._batch_size
        self._rates = recipe.rates(self._steps)
        self._averaging = recipe.averaging(self._steps) if recipe.ema else []
        self._step = Step(self.model, recipe, device_data)
        self._captured: GraphedEpoch | None = None
        self._may_capture = on_gpu and recipe.cuda_graph

    def run(self, until: int, on_epoch: Callable[[Epoch], None] = lambda epoch: None) -> list[Epoch]:
        """Train up to the end of epoch `until`.

        Where memory does not suffice, it begins again from where it stood, in a way that needs less.

        Returns:
            the history, one entry for each epoch. The result is the last one's, never the best one's.

        Raises:
            TrainingDiverged: the loss is no longer a number.
            TrainingFailed: memory does not suffice.
        """
        start = copy.deepcopy(self.state())
        with algorithms(self.recipe.deterministic):
            while len(self.history) < until:
                shortage = None
                try:
                    self.history.append(self._epoch(len(self.history) + 1))
                except torch.OutOfMemoryError as error:
                    shortage = str(error).splitlines()[0]
                if shortage is not None:  # outside of `except`, which holds what the step had in memory
                    self._relieve(shortage)
                    self.restore(start)
                else:
                    on_epoch(self.history[-1])
        return self.history

    def _epoch(self, number: int) -> Epoch:
        self.model.train()
        permutation = torch.randperm(len(self.device_data.train), generator=self._order)
        order = permutation[: self._steps * self._batch_size].view(self._steps, self._batch_size)
        drawn = self._drawn(self._steps)
        if self._may_capture and self._captured is None:
            self._capture(order, drawn)
        with self._own_stream(number):
            total = self._all_steps(order, drawn, (number - 1) * self._steps)
        train_loss = total.item() / self._steps
        if not math.isfinite(train_loss):
            raise TrainingDiverged(f"the training loss became {train_loss} in epoch {number} of {self.recipe.epochs}")
        val_loss, val_accuracy = self.evaluate(self.device_data.validation)
        if not math.isfinite(val_loss):
            raise TrainingDiverged(f"the validation loss became {val_loss} in epoch {number} of {self.recipe.epochs}")
        rate = self._rates[number * self._steps - 1]
        return Epoch(number, {"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy, "lr": rate})

    def _drawn(self, steps: int) -> dict[str, Tensor]:
        """The random numbers of so many steps."""
        size = self.device_data.data.input_shape[1:]
        return draws(self.recipe.augment, steps, self._batch_size, size, self._shifts)

    def _all_steps(self, order: Tensor, drawn: Mapping[str, Tensor], first: int) -> Tensor:
        """The steps of an epoch, the first of which is step `first` of the training; the sum of their losses."""
        if self._captured is not None:
            return self._captured.epoch(order, drawn, first)
        device = self.device_data.device
        on_device = {name: values.to(device) for name, values in drawn.items()}
        rates: Tensor | list[float] = self._rates
        if device.type == "cuda":
            rates = torch.tensor(self._rates, device=device)
        total = torch.zeros((), device=device)
        for i, (images, labels) in enumerate(self.device_data.train.epoch(order)):
            numbers = {name: values[i] for name, values in on_device.items()}
            taken_in = self._averaging[first + i] if self._averaging else 0.0
            total += self._step(images, labels, numbers, rates[first + i], taken_in)
        return total

    def _capture(self, order: Tensor, drawn: Mapping[str, Tensor]) -> None:
        """Make steps replays of a CUDA graph, or say why not."""
        self._may_capture = False
        if self.device_data.train.images is None:
            self.how = "one by one: the images are streamed"
            return
        try:
            self._captured = GraphedEpoch(
                self._step, self.device_data.train, order, drawn, self._rates, self._averaging
            )
            self.how = "CUDA graph"
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            cause = error.__context__ or error  # capturing ends with an error of its own
            self.how = f"one by one: no CUDA graph can be captured: {str(cause).splitlines()[0]}"

    def _relieve(self, shortage: str) -> None:
        """Need less memory: first without a graph, which keeps its own."""
        relief: str | None = "without a CUDA graph"
        if not self._may_capture and self._captured is None:
            relief = self._step.relieve(self._batch_size)
        if relief is None:
            where = f"with batch_size {self._batch_size} on {self.device_data.device}"
            raise TrainingFailed(f"out of memory {where}: {shortage}")
        self.how = f"one by one: out of memory, {relief}"
        self._captured, self._may_capture = None, False
        if self.device_data.device.type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def _own_stream(self, number: int) -> Iterator[None]:
        """Dropout and the like draw from torch's global stream: in here it is one of this seed and epoch."""
        devices = [self.device_data.device] if self.device_data.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(torch.randint(2**62, (), generator=random_stream(self._seed, 1_000 + number))))
            yield

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated: that of the averaged weights where there are some."""
        return self.model if self._step.average is None else self._step.average

    def evaluate(self, batches: Batches) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on a split, of the averaged weights where there are some."""
        model = self.evaluated
        with algorithms(self.recipe.deterministic):
            return evaluate(model, batches, lambda images: self._step.logits(model, self._step.inputs(images)))

    def answered(self, batches: Batches) -> tuple[float, Tensor]:
        """Mean cross-entropy on a split, and the class predicted of each image, of the averaged weights alike."""
        model = self._step.average or self.model
        with algorithms(self.recipe.deterministic):
            return answered(model, batches, lambda images: self._step.logits(model, self._step.inputs(images)))

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as `torch.save` writes it and `torch.load(weights_only=True)` reads it."""
        average = self._step.average
        return {
            "model": self.model.state_dict(),
            "average": average.state_dict() if average is not None else None,
            "optimizer": self._step.optimizer.state_dict(),
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
        if self._step.average is not None:
            self._step.average.load_state_dict(state["average"])
        self._step.load_optimizer(state["optimizer"])
        self._order.set_state(state["order"])
        self._shifts.set_state(state["shifts"])
        self.history = [Epoch.from_dict(epoch) for epoch in state["history"]]
        if self._captured is not None:  # its graph reads the optimizer state that was there before
            self._captured, self._may_capture = None, True


def train(
    model: nn.Module,
    data: Dataset | DeviceData,
    recipe: Recipe,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train `model` in place, to the end; the same seed gives the same result on the same machine, on a GPU with
    deterministic algorithms.

    Returns:
        one entry for each epoch.

    Raises:
        TrainingDiverged: the loss is no longer a number.
        TrainingFailed: memory does not suffice.
    """
    return Training(model, data, recipe, seed).run(recipe.epochs, on_epoch)


def evaluate(model: nn.Module, batches: Batches, logits: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on a split; see `answered`."""
    loss, predicted = answered(model, batches, logits)
    return loss, int((predicted == batches.labels).sum()) / len(batches)


@torch.no_grad()
def answered(model: nn.Module, batches: Batches, logits: Callable[[Tensor], Tensor]) -> tuple[float, Tensor]:
    """Mean cross-entropy on a split, and the class predicted of each image, in batches as large as memory allows.

    Args:
        model: set to evaluation.
        batches: the split.
        logits: (N, C, H, W) uint8 -> (N, classes), by the model.

    Raises:
        torch.OutOfMemoryError: memory does not suffice for one image.
    """
    model.eval()
    size = EVALUATED
    while True:
        try:
            loss, predicted = torch.zeros((), dtype=torch.float64, device=batches.device), []
            for images, labels in batches.in_order(size):
                found = logits(images)
                loss += F.cross_entropy(found, labels, reduction="sum")
                predicted.append(found.argmax(1))
            return loss.item() / len(batches), torch.cat(predicted)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2


@contextmanager
def algorithms(deterministic: bool) -> Iterator[None]:
    """Deterministic algorithms alone, or the fastest that cuDNN finds."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(deterministic or before[0])
    torch.backends.cudnn.benchmark = not (deterministic or before[0])
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
