"""Worker pools: they take jobs and give back rows. Here, that of this process, one training after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

import torch

from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation
from attnspace.study.study import Study
from attnspace.training.epoch import Epoch
from attnspace.workers.job import Job
from attnspace.workers.trainer import Trainer

__all__ = ["InlinePool", "OnEpoch", "WorkerPool"]

OnEpoch = Callable[[Job, Epoch], None]
"""Hears of every epoch of every job."""


class WorkerPool(ABC):
    """Takes jobs, and gives back the rows of those that have ended."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many jobs can be under way at once."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """How many jobs are under way."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Hand over a job; fewer than `size` may be under way."""

    @abstractmethod
    def next_result(self) -> tuple[Job, Evaluation]:
        """Wait for a job to end, and give its row.

        Raises:
            RunFailed: a checkpoint cannot be written, or a worker cannot begin.
        """

    def worked_off(self, jobs: Iterable[Job], begin: Callable[[Job], Job]) -> Iterator[tuple[Job, Evaluation]]:
        """Hand over one job after the other, as there is room, and give back each with its row as it ends.

        Args:
            jobs: in the order in which they begin.
            begin: makes a job ready when its turn has come.
        """
        waiting = deque(jobs)
        while waiting or self.busy:
            while waiting and self.busy < self.size:
                self.submit(begin(waiting.popleft()))
            yield self.next_result()

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; jobs under way are dropped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InlinePool(WorkerPool):
    """This process: one job, trained when its result is waited for."""

    def __init__(self, study: Study, checkpoints: Checkpoints, device: torch.device, on_epoch: OnEpoch) -> None:
        self._jobs: list[Job] = []
        self._trainer = Trainer(study, checkpoints, device, lambda epoch: on_epoch(self._jobs[0], epoch))

    @property
    def size(self) -> int:
        return 1

    @property
    def busy(self) -> int:
        return len(self._jobs)

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def next_result(self) -> tuple[Job, Evaluation]:
        row = self._trainer.advance(self._jobs[0])
        return self._jobs.pop(), row

    def close(self) -> None:
        self._jobs.clear()
