"""sgd: attnspace's own training, by a recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from attnspace.data.loader import DeviceData
from attnspace.data.split import Dataset, DataSplit
from attnspace.errors import StudyError
from attnspace.training.epoch import Epoch
from attnspace.training.method import Assignment, Method, Run, Setting, Workplace, method_for
from attnspace.training.recipe import Recipe
from attnspace.training.rehearsal import rehearse
from attnspace.training.training import Training

__all__ = ["SgdMethod", "SgdRun"]

PROBE_BATCHES = 20


@dataclass
class SgdRun(Run):
    """A training by a recipe."""

    training: Training = field(kw_only=True)
    place: Workplace = field(kw_only=True)

    def run(self, until: int, on_epoch: Callable[[Epoch], None]) -> None:
        try:
            self.training.run(until, on_epoch)
        finally:
            self.history, self.how = self.training.history, self.training.how

    def state(self) -> dict[str, Any]:
        return self.training.state()

    def network(self) -> nn.Module:
        return self.training.evaluated

    def test(self) -> None:
        batches = self.place.test_batches
        loss, predicted = self.training.answered(batches)
        right = int((predicted == batches.labels).sum())
        self.tested = {"test_accuracy": right / len(batches), "test_loss": loss}
        self.answers = predicted.cpu().numpy()


@method_for(Recipe)
class SgdMethod(Method):
    """Trains every design by the same recipe."""

    is_measurable = True
    reports = ("train_loss", "val_loss", "val_accuracy")

    def __init__(self, section: Recipe, setting: Setting) -> None:
        self.recipe = section
        self.epochs = section.epochs

    def protocol(self) -> Any:
        return self.recipe.model_dump(mode="json")

    def check_images(self, data: Dataset) -> None:
        size, images = self.recipe.batch_size, len(data.train)
        if size > images:
            raise StudyError(
                f"is more than the {images:,} training images, so that no whole batch could be drawn",
                at=("batch_size",),
                got=size,
                allowed=f"2 to {images:,}",
                remedy="make it smaller, or train on more images",
            )

    def begin(self, assignment: Assignment, place: Workplace, state: Mapping[str, Any] | None) -> Run:
        torch.manual_seed(assignment.seed)
        training = Training(assignment.network(), place.device_data, self.recipe, assignment.seed)
        if state is not None:
            try:
                training.restore(state)
            except (KeyError, RuntimeError, TypeError, ValueError):  # not its own: the training begins again
                return self.begin(assignment, place, None)
        return SgdRun(training=training, place=place)

    def rehearse(self, network: nn.Module, data: Dataset) -> tuple[str, ...]:
        return rehearse(network, data)

    def probe(self, network: Callable[[], nn.Module], place: Workplace, seconds: float) -> float:
        images, labels = next(iter(place.device_data.train.in_order(PROBE_BATCHES * self.recipe.batch_size)))
        few = DataSplit(images.cpu(), labels.cpu())
        on_device = DeviceData(replace(place.data, train=few, validation=few), place.device)
        recipe = self.recipe.model_copy(update={"epochs": 10_000, "lr": 1e-6})  # only its speed counts
        training = Training(network(), on_device, recipe, 0)
        training.run(1)  # begins slowly: kernels are chosen, a graph is captured
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            training.run(len(training.history) + 1)
        return (len(training.history) - 1) * len(on_device.train) / (time.perf_counter() - began)
