"""One design, trained from where it stands to a rung or to the end, or looked up; and the ledger's row of it."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import optuna
import torch

from attnspace.data import Split
from attnspace.data.loader import SHARE, Batches, Feed
from attnspace.errors import RunFailed, StudyError, TrainingFailed
from attnspace.study.checkpoints import Checkpoints
from attnspace.study.config import Loop, Replay
from attnspace.study.design import Design, Study
from attnspace.study.ledger import Evaluation, timestamp
from attnspace.study.limits import Costs
from attnspace.study.loops import Report, run_loop
from attnspace.train import Epoch, Training

__all__ = ["DeviceLost", "Job", "Trainer", "failed", "told"]

PROBE_BATCHES = 20


class DeviceLost(RunFailed):
    """After a fault on a GPU a process can use it no more."""


@dataclass(frozen=True)
class Job:
    """A design goes from epoch `since` to epoch `until`.

    Attributes:
        design: what is trained.
        seed: of weights, order and augmentation.
        since: the epoch after which an earlier training waits; 0 begins.
        until: the last epoch.
        trial: the number of the trial, see `Evaluation`.
        phase: `search` or `confirm`; a confirmation looks at the test images.
        costs: of the design; None if they could not be found.
        fault: why they could not.
    """

    design: Design
    seed: int
    since: int
    until: int
    trial: int | None = None
    phase: str = "search"
    costs: Costs | None = None
    fault: str | None = None


@dataclass
class _Result:
    """What a training came to, as far as it got."""

    history: list[Epoch] = field(default_factory=list)
    tested: tuple[float | None, float] | None = None
    train_s: float = 0.0
    how: str = ""


class Trainer:
    """Trains the designs of a study, in this process.

    Args:
        study: whose designs.
        checkpoints: where trainings wait.
        device: where networks are trained.
        on_epoch: hears of every epoch.
        share: images that take more than this part of the device's free memory are streamed.

    Raises:
        StudyError: the training loop that the study names cannot be imported.
    """

    def __init__(
        self,
        study: Study,
        checkpoints: Checkpoints,
        device: torch.device,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
        share: float = SHARE,
    ) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)  # graphs and streams are of the device that is current
        self._share = share
        self._study = study
        self._checkpoints = checkpoints
        self._device = device
        self._on_epoch = on_epoch
        train = study.config.train
        self._loop = train.function(StudyError) if isinstance(train, Loop) else None

    def advance(self, job: Job) -> Evaluation:
        """Train a design up to an epoch; its failure is a result, with its reason.

        Raises:
            DeviceLost: the device takes no more work from this process.
            RunFailed: a checkpoint cannot be written.
        """
        started = time.perf_counter()
        result, reason = _Result(), job.fault
        try:
            if reason is None:
                reason = self._train(job, result)
        except TrainingFailed as error:
            reason = str(error)
        except RunFailed:  # nothing can be written
            raise
        except (Exception, SystemExit) as error:  # one design's fault must not end the search; it is recorded and shown
            reason = told(error)
            if isinstance(error, RuntimeError) and str(error).startswith("CUDA error"):
                raise DeviceLost(reason, remedy="give the same command again: what was finished is kept") from error
        last = result.history[-1] if result.history and reason is None else None
        row = failed(self._study, job, reason or "")
        return replace(
            row,
            outcome="failed" if reason else "done" if job.until == self._study.epochs else "paused",
            reason=reason,
            val_accuracy=last.val_accuracy if last else None,
            val_loss=last.val_loss if last else None,
            train_loss=last.train_loss if last else None,
            test_accuracy=result.tested[1] if result.tested else None,
            test_loss=result.tested[0] if result.tested else None,
            history=[epoch.to_dict() for epoch in result.history],
            train_s=result.train_s,
            total_s=time.perf_counter() - started,
            versions=row.versions | {"device": _named(self._device), "steps": result.how},
        )

    def _train(self, job: Job, result: _Result) -> str | None:
        """Fill in what the training comes to; why it failed, where that is on record."""
        if self._study.table:
            result.history, reason = self._recorded(job)
            return reason
        if self._loop is not None:
            self._looped(job, result)
            return None
        training = self._begun(job)
        began = time.perf_counter()
        try:
            training.run(job.until, self._on_epoch)
        finally:
            result.train_s, result.how = time.perf_counter() - began, training.how
            result.history = training.history
        if job.until < self._study.epochs:
            self._checkpoints.save(job.design.identity, job.seed, job.until, training.state())
        if job.phase == "confirm":
            result.tested = training.evaluate(self._test_batches)
        return None

    def _begun(self, job: Job) -> Training:
        """A training that stands where the earlier one waits, or at the start if that is gone."""
        train = self._study.config.train
        assert not isinstance(train, Replay | Loop)
        torch.manual_seed(job.seed)
        training = Training(self._study.network(job.design), self._feed, train, job.seed)
        state = self._checkpoints.load(job.design.identity, job.seed, job.since) if job.since else None
        if state is None:
            return training
        try:
            training.restore(state)
        except (KeyError, RuntimeError, TypeError, ValueError):
            return self._begun(replace(job, since=0))  # not its own: the training begins again
        return training

    def probe(self, seconds: float) -> float:
        """Train the backbone with CBAM, which needs much memory, on a few batches for so long, and forget it.

        Returns:
            images per second.

        Raises:
            TrainingFailed, torch.OutOfMemoryError: memory does not suffice.
        """
        train = self._study.config.train
        assert not isinstance(train, Replay | Loop)
        images, labels = next(iter(self._feed.train.in_order(PROBE_BATCHES * train.batch_size)))
        few = Split(images.cpu(), labels.cpu())
        feed = Feed(replace(self._study.data, train=few, validation=few), self._device)
        recipe = train.model_copy(update={"epochs": 10_000, "lr": 1e-6})  # only its speed counts
        heavy = next(design for design in self._study.baselines if design.name == "cbam")
        training = Training(self._study.network(heavy), feed, recipe, 0)
        training.run(1)  # begins slowly: kernels are chosen, a graph is captured
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            training.run(len(training.history) + 1)
        return (len(training.history) - 1) * len(feed.train) / (time.perf_counter() - began)

    def _looped(self, job: Job, result: _Result) -> None:
        """By the user's loop, from the start to the end."""
        study = self._study
        assert isinstance(study.config.train, Loop)
        assert self._loop is not None
        torch.manual_seed(job.seed)
        model = study.network(job.design).to(self._device)
        confirming = job.phase == "confirm"
        test = self._test if confirming else None
        report = Report(job.seed, study.epochs, self._device, study.data, test, confirming, self._on_epoch)
        result.history = report.history
        wanted = [goal.metric for goal in study.config.objective.goals if goal.is_learnt]
        began = time.perf_counter()
        try:
            result.tested = run_loop(self._loop, model, report, study.config.train.args, wanted)
        finally:
            result.train_s, result.how = time.perf_counter() - began, study.config.train.target

    def _recorded(self, job: Job) -> tuple[list[Epoch], str | None]:
        """What the table has up to an epoch, and why it has no more."""
        assert self._study.table
        found = self._study.table.find(job.design.identity, job.seed)
        if found is None:
            raise LookupError(f"the table has no design {job.design.identity} with seed {job.seed}")
        reason = None
        if len(found.history) < job.until:
            reason = found.reason or f"recorded for {len(found.history)} epochs only"
        return [Epoch(**epoch) for epoch in found.history[: job.until]], reason

    @cached_property
    def _feed(self) -> Feed:
        """The images on the device, once for all trainings."""
        return Feed(self._study.data, self._device, self._share)

    @cached_property
    def _test(self) -> Split:
        """The test images, for confirmations alone."""
        return self._study.data.sealed_test()

    @cached_property
    def _test_batches(self) -> Batches:
        return self._feed.batches(self._test)


def failed(study: Study, job: Job, reason: str) -> Evaluation:
    """The row of a training that came to nothing."""
    design = job.design
    return Evaluation(
        phase=job.phase,
        trial=job.trial,
        role=design.role,
        name=design.name,
        design=design.identity,
        recipe=study.recipe,
        seed=job.seed,
        epochs=job.until,
        label=design.label,
        placement=design.placement.label() if design.plan else "",
        spec=design.written(),
        choices=dict(design.choices),
        outcome="failed",
        reason=reason,
        val_accuracy=None,
        val_loss=None,
        train_loss=None,
        test_accuracy=None,
        test_loss=None,
        history=[],
        **(asdict(job.costs) if job.costs else dict.fromkeys(Costs.__dataclass_fields__)),
        train_s=0.0,
        total_s=0.0,
        finished=timestamp(),
        versions=_versions(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def told(error: BaseException) -> str:
    """An error in words, with the line of the user's code, or of a library's, that raised it."""
    own = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _named(device: torch.device) -> str:
    return f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optuna": optuna.__version__,
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
        **{name: str(sys.modules[name].__version__) for name in ("timm", "torchvision") if name in sys.modules},
    }
