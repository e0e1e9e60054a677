"""import: a training loop of the user's, what it is told, what it says, and whether it can be used."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn

from attnspace.data.split import Dataset, DataSplit
from attnspace.documents.imports import Imported
from attnspace.errors import StudyError, TrainingDiverged, TrainingFailed
from attnspace.objective.metrics import METRICS, metrics_of
from attnspace.training.epoch import Epoch
from attnspace.training.method import Assignment, Method, Run, Setting, Workplace, method_for
from attnspace.training.train import Train

__all__ = ["Loop", "LoopMethod", "LoopRun", "Report", "run_loop"]


EXAMPLE = '{"val_accuracy": 0.9, "val_loss": 0.3}'
"""What a loop may return, for messages."""


class Loop(Imported, Train):
    """A training loop of the user's: function(model, report) trains, tells `report` of every epoch, and returns the
    metrics of the last one. It trains every design to the end: there are no rungs.
    """

    pauses = False

    kind: Literal["import"] = "import"
    epochs: Annotated[int, Field(ge=1, le=10_000, description="Passes over the training images.")] = 20


def reportable() -> list[str]:
    """The names that a loop may report of an epoch, in the order of the history that ledgers have always had."""
    return [*metrics_of("train"), *reversed(metrics_of("val")), "lr"]


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
    test: DataSplit | None = None
    confirming: bool = False
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    history: list[Epoch] = field(default_factory=list)

    def __call__(self, **metrics: float) -> None:
        """Take in the metrics of an epoch that has ended.

        Args:
            **metrics: any declared metric of the training or validation images, such as `val_accuracy`, and `lr`.

        Raises:
            TrainingFailed: another metric, more epochs than asked for, or no number.
        """
        if unknown := sorted(set(metrics) - set(reportable())):
            raise TrainingFailed(f"report({unknown[0]}=...): allowed: {', '.join(reportable())}")
        if len(self.history) == self.epochs:
            raise TrainingFailed(f"report was called more often than the {self.epochs} epochs asked for")
        numbers = {name: _number(name, value) for name, value in metrics.items()}
        self.history.append(_epoch(len(self.history) + 1, numbers))
        self.on_epoch(self.history[-1])


def run_loop(
    loop: Callable[..., Any], model: nn.Module, report: Report, args: Mapping[str, Any], wanted: Sequence[str]
) -> dict[str, float]:
    """Train a model by a loop of the user's. Afterwards the last epoch of `report.history` is what the loop returned.

    Args:
        loop: function(model, report, **args) -> metrics.
        model: trained in place.
        report: what the loop is told.
        args: further arguments.
        wanted: metrics that it has to return.

    Returns:
        the metrics on the test images, in a confirmation.

    Raises:
        TrainingFailed: the loop returned no metrics that can be used.
        TrainingDiverged: a metric is no finite number.
    """
    found = loop(model, report, **args)
    if not isinstance(found, Mapping):
        raise TrainingFailed(
            f"the loop returned {type(found).__name__}; allowed: a mapping of metrics to numbers, such as {EXAMPLE}"
        )
    tested = metrics_of("test")
    numbers = {name: _number(name, found[name]) for name in (*reportable(), *tested) if name in found}
    wanted = [*wanted, "test_accuracy"] if report.confirming else wanted
    if missing := [name for name in wanted if name not in numbers]:
        named = ", ".join(map(str, found)) or "nothing"
        remedy = f"return {' and '.join(missing)} of the last epoch, as in {EXAMPLE}"
        raise TrainingFailed(f"the loop returned no {' and no '.join(missing)}; it returned {named}; {remedy}")
    last: dict[str, Any] = report.history.pop().to_dict() if report.history else {"epoch": report.epochs}
    report.history.append(_epoch(last["epoch"], last | numbers))
    return {name: numbers[name] for name in tested if name in numbers} if report.confirming else {}


@dataclass
class LoopRun(Run):
    """A training by a loop of the user's: from the start to the end, with a look at the test images in between."""

    loop: Callable[..., Any] = field(kw_only=True)
    model: nn.Module = field(kw_only=True)
    report: Report = field(kw_only=True)
    args: Mapping[str, Any] = field(kw_only=True)
    wanted: Sequence[str] = field(kw_only=True)

    def network(self) -> nn.Module:
        return self.model

    def run(self, until: int, on_epoch: Callable[[Epoch], None]) -> None:
        self.report.on_epoch = on_epoch
        self.history = self.report.history
        self.tested = run_loop(self.loop, self.model, self.report, self.args, self.wanted)


@method_for(Loop)
class LoopMethod(Method):
    """Has every design trained by a function of the user's."""

    def __init__(self, section: Loop, setting: Setting) -> None:
        self.section = section
        self.epochs = section.epochs
        self.wanted = setting.wanted
        self._loop = section.function(StudyError)
        _check_call(self._loop, section.args)

    def protocol(self) -> Any:
        return self.section.model_dump(mode="json") | {"import": self.section.fingerprint()}

    def begin(self, assignment: Assignment, place: Workplace, state: Mapping[str, Any] | None) -> Run:
        torch.manual_seed(assignment.seed)
        model = assignment.network().to(place.device)
        test = place.test if assignment.confirming else None
        report = Report(assignment.seed, self.epochs, place.device, place.data, test, assignment.confirming)
        return LoopRun(
            how=self.section.target,
            loop=self._loop,
            model=model,
            report=report,
            args=self.section.args,
            wanted=self.wanted,
        )


def _check_call(function: Callable[..., Any], args: Mapping[str, Any]) -> None:
    """Check that a training loop takes the arguments that it will be called with.

    Raises:
        StudyError: it takes other arguments.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a builtin, which does not tell
        return
    try:
        signature.bind(None, None, **args)
    except TypeError as cause:
        raise StudyError(
            f"cannot be called with a model, a report and args: {cause}",
            at=("import",),
            got=f"{function.__name__}{signature}",
            allowed=", ".join(["function(model, report", *args]) + ")",
        ) from None


def _epoch(number: int, metrics: Mapping[str, float | None]) -> Epoch:
    """An epoch of which some metrics are known; the others are None."""
    return Epoch(number, {name: metrics.get(name) for name in reportable()})


def _number(name: str, value: Any) -> float:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TrainingFailed(f"{name} is {value!r}; allowed: a number")
    number = float(value)
    if not math.isfinite(number):
        raise TrainingDiverged(f"{name} became {number}")
    if name in METRICS and METRICS[name].share and not 0 <= number <= 1:
        raise TrainingFailed(f"{name} is {number}; allowed: 0 to 1; say a share, not percent")
    return number
