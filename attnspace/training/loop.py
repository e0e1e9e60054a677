"""Training loops of the user's: what they are told, what they say, and whether it can be used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import nn

from attnspace.data import Dataset, Split
from attnspace.errors import TrainingDiverged, TrainingFailed
from attnspace.training.epoch import Epoch

__all__ = ["Report", "run_loop"]

METRICS = ("train_loss", "val_loss", "val_accuracy", "lr")
"""In the order of `Epoch`."""

TESTED = ("test_accuracy", "test_loss")


@dataclass
class Report:
    """What a training loop is told, and how it says how far it is: called once at the end of every epoch.

    Attributes:
        seed: of everything that the loop draws; designs that share one are compared as pairs.
        epochs: how many to train.
        device: where the study trains.
        data: the study's images, for loops that have none of their own.
        test: the study's test images, in a confirmation alone.
        confirming: whether this is a confirmation: the loop then returns `test_accuracy` too, and may `test_loss`.
        history: what was said so far.
    """

    seed: int
    epochs: int
    device: torch.device
    data: Dataset
    test: Split | None = None
    confirming: bool = False
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    history: list[Epoch] = field(default_factory=list)

    def __call__(self, **metrics: float) -> None:
        """An epoch has ended.

        Args:
            **metrics: any of `val_accuracy`, `val_loss`, `train_loss`, `lr`.

        Raises:
            TrainingFailed: another metric, more epochs than asked for, or no number.
        """
        if unknown := sorted(set(metrics) - set(METRICS)):
            raise TrainingFailed(f"report({unknown[0]}=...): allowed: {', '.join(METRICS)}")
        if len(self.history) == self.epochs:
            raise TrainingFailed(f"report was called more often than the {self.epochs} epochs asked for")
        numbers = {name: _number(name, value) for name, value in metrics.items()}
        self.history.append(_epoch(len(self.history) + 1, numbers))
        self.on_epoch(self.history[-1])


def run_loop(
    loop: Callable[..., Any], model: nn.Module, report: Report, args: Mapping[str, Any], wanted: Sequence[str]
) -> tuple[float | None, float] | None:
    """Train a model by a loop of the user's. Afterwards the last epoch of `report.history` is what the loop returned.

    Args:
        loop: function(model, report, **args) -> metrics.
        model: trained in place.
        report: what the loop is told.
        args: further arguments.
        wanted: metrics that it has to return.

    Returns:
        loss and accuracy on the test images, in a confirmation.

    Raises:
        TrainingFailed: the loop returned no metrics that can be used.
        TrainingDiverged: a metric is no finite number.
    """
    found = loop(model, report, **args)
    if not isinstance(found, Mapping):
        raise TrainingFailed(f"the loop returned {type(found).__name__}; allowed: a mapping of metrics to numbers")
    numbers = {name: _number(name, found[name]) for name in (*METRICS, *TESTED) if name in found}
    wanted = [*wanted, "test_accuracy"] if report.confirming else wanted
    if missing := [name for name in wanted if name not in numbers]:
        named = ", ".join(map(str, found)) or "nothing"
        raise TrainingFailed(f"the loop returned no {' and no '.join(missing)}; it returned {named}")
    last: dict[str, Any] = report.history.pop().to_dict() if report.history else {"epoch": report.epochs}
    report.history.append(_epoch(last["epoch"], last | numbers))
    return (numbers.get("test_loss"), numbers["test_accuracy"]) if report.confirming else None


def _epoch(number: int, metrics: Mapping[str, float | None]) -> Epoch:
    """An epoch of which some is known."""
    return Epoch(number, *(metrics.get(name) for name in METRICS))


def _number(name: str, value: Any) -> float:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if not isinstance(value, Real):
        raise TrainingFailed(f"{name} is {value!r}; allowed: a number")
    number = float(value)
    if not math.isfinite(number):
        raise TrainingDiverged(f"{name} became {number}")
    if name.endswith("accuracy") and not 0 <= number <= 1:
        raise TrainingFailed(f"{name} is {number}; allowed: 0 to 1")
    return number
