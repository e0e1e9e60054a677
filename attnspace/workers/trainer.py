"""One design, trained from where it stands to a rung or to the end, or looked up; and the ledger's row of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from attnspace.data import Split
from attnspace.data.loader import SHARE, Batches, Feed
from attnspace.errors import RunFailed, StudyError, TrainingFailed
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.ledger import Evaluation
from attnspace.study.config import Loop, Replay
from attnspace.study.study import Study
from attnspace.training.epoch import Epoch
from attnspace.training.loop import Report, run_loop
from attnspace.training.training import Training
from attnspace.workers.job import Job, failed, told

__all__ = ["DeviceLost", "Trainer"]


PROBE_BATCHES = 20


class DeviceLost(RunFailed):
    """After a fault on a GPU a process can use it no more."""


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


def _named(device: torch.device) -> str:
    return f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)
