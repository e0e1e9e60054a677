"""Trains one job after the other, in this process, by whatever method the study has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from attnspace.data.loader import SHARE
from attnspace.documents.imports import users_code
from attnspace.errors import RunFailed, TrainingFailed
from attnspace.placement.watch import check_blocks, watch_blocks
from attnspace.record.answers import Answers
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation, Phase
from attnspace.record.weights import write_weights
from attnspace.study.design import Design
from attnspace.study.study import Study
from attnspace.training.epoch import Epoch
from attnspace.training.method import Assignment, Run, Workplace
from attnspace.workers.job import Job, Result, describe, row

__all__ = ["DeviceLost", "Trainer"]

HEAVY = "cbam"
"""The baseline whose training a probe times: it needs much memory."""


class DeviceLost(RunFailed):
    """A fault on a GPU after which this process can use it no more."""


class Trainer:
    """Trains the designs of a study, in this process.

    Args:
        study: whose designs.
        checkpoints: where trainings wait.
        device: where networks are trained.
        on_epoch: hears of every epoch.
        share: images that take more than this part of the device's free memory are streamed.
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
        self._study = study
        self._checkpoints = checkpoints
        self._place = Workplace(study.data, device, share)
        self._share = share
        self._split: int | None = None
        self._on_epoch = on_epoch

    def advance(self, job: Job) -> Evaluation:
        """Train a design up to an epoch; its failure is a result, with its reason.

        Raises:
            DeviceLost: the device takes no more work from this process.
            RunFailed: a checkpoint cannot be written.
        """
        started = time.perf_counter()
        result = Result(reason=job.fault)
        try:
            if result.reason is None:
                with users_code():
                    self._train(job, result)
        except TrainingFailed as error:
            result.reason = str(error)
        except RunFailed:  # nothing can be written
            raise
        except Exception as error:  # one design's fault must not end the search; it is recorded and shown
            result.reason = describe(error)
            if isinstance(error, RuntimeError) and str(error).startswith("CUDA error"):
                raise DeviceLost(
                    result.reason, remedy="give the same command again: what was finished is kept"
                ) from error
        result.total_s = time.perf_counter() - started
        steps = dict(result.environment or {"steps": ""})
        result.environment = {"device": _named(self._place.device), **steps}
        return row(self._study.protocol, self._study.epochs, job, result)

    def _train(self, job: Job, result: Result) -> None:
        """Fill in what the training comes to, as far as it gets."""
        self._go_to(job.split)
        design, confirming = job.design, job.phase == Phase.CONFIRM
        made: list[nn.Module] = []
        assignment = Assignment(
            design.identity, lambda: self._network(design, made), job.seed, job.since, job.until, confirming
        )
        state = self._checkpoints.load(design.identity, job.seed, job.since) if job.since else None
        run = self._study.method.begin(assignment, self._place, state)
        began = time.perf_counter()
        try:
            run.run(job.until, self._on_epoch)
        finally:
            result.train_s = time.perf_counter() - began
            result.history, result.environment = run.history, {"steps": run.how}
        for network in made:
            check_blocks(network, design.plan)
        self._check_reported(run.history)
        if job.until < self._study.epochs and (paused := run.state()) is not None:
            self._checkpoints.save(design.identity, job.seed, job.until, paused)
        if confirming:
            run.test()
            result.tested = run.tested
            if run.answers is not None:
                result.answers = Answers(run.answers, self._place.test.labels.numpy())
        if job.keep is not None and not job.keep.exists() and (why_not := self._keep(job, job.keep, run)) is not None:
            result.environment = {**result.environment, "weights": why_not}

    def _keep(self, job: Job, file: Path, run: Run) -> str | None:
        """Keep the weights that were evaluated; if that is not possible, say why.

        Raises:
            RunFailed: the file cannot be written.
        """
        network, data = run.network(), self._place.data
        if network is None:
            return "are not kept: this kind of training hands out no network"
        about = {
            "design": job.design.identity,
            "seed": str(job.seed),
            "epochs": str(job.until),
            "study": self._study.config.name,
            "protocol": self._study.protocol,
            "document": json.dumps(job.design.data()),
            "mean": json.dumps(data.mean.tolist()),
            "std": json.dumps(data.std.tolist()),
            **{name: repr(value) for name, value in run.tested.items() if value is not None},
        }
        try:
            write_weights(file, network, about)
        except RunFailed:
            raise
        except Exception as error:  # what a network of the user's may hold must not cost its result
            return f"are not kept: {describe(error)}"
        return None

    def _go_to(self, split: int | None) -> None:
        """Have the images of a split where networks are trained, in the place of those of the split before."""
        if split == self._split:
            return
        device, test = self._place.device, self._place.loaded_test
        del self._place  # one split at a time lies in memory
        data = self._study.data if split is None else self._study.data.redrawn(split)
        self._place, self._split = Workplace(data, device, self._share, test), split

    def _network(self, design: Design, made: list[nn.Module]) -> nn.Module:
        """A new network, which fails when it runs and a block of the design is not in it any more; it joins `made`."""
        network = self._study.network(design)
        watch_blocks(network, design.plan)
        made.append(network)
        return network

    def _check_reported(self, history: Sequence[Epoch]) -> None:
        """Check that a training reported what designs are ranked by.

        Raises:
            TrainingFailed: it did not.
        """
        reported = history[-1].metrics if history else {}
        for goal in self._study.config.objective.goals:
            if goal.is_learnt and reported.get(goal.metric) is None:
                raise TrainingFailed(f"the training reported no {goal.metric}")

    def probe(self, seconds: float) -> float:
        """Train a network that needs much memory on a few batches for so long, and forget it.

        Returns:
            images per second.

        Raises:
            TrainingFailed, torch.OutOfMemoryError: memory does not suffice.
        """
        named = {design.name: design for design in self._study.baselines}
        heavy = named.get(HEAVY, self._study.plain)  # it may not fit into the backbone
        return self._study.method.probe(lambda: self._study.network(heavy), self._place, seconds)


def _named(device: torch.device) -> str:
    return f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)
