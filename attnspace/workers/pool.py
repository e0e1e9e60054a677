"""Who trains: takes jobs and gives back rows. Here, this process, one training after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

import torch

from attnspace.record.checkpoints import Checkpoints
from attnspace.record.ledger import Evaluation
from attnspace.study.study import Study
from attnspace.training.epoch import Epoch
from attnspace.workers.job import Job
from attnspace.workers.trainer import Trainer

__all__ = ["Alone", "Crew", "Heard"]

Heard = Callable[[Job, Epoch], None]
"""Hears of every epoch of every job."""


class Crew(ABC):
    """Takes jobs, and gives back the rows of those that have ended."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Jobs at once."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """Jobs under way."""

    @abstractmethod
    def start(self, job: Job) -> None:
        """Hand over a job; there must be room."""

    @abstractmethod
    def finish(self) -> tuple[Job, Evaluation]:
        """Wait for a job to end.

        Raises:
            RunFailed: a checkpoint cannot be written, or a worker cannot begin.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; jobs under way are dropped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Alone(Crew):
    """This process: one job, trained when it is waited for."""

    def __init__(self, study: Study, checkpoints: Checkpoints, device: torch.device, heard: Heard) -> None:
        self._jobs: list[Job] = []
        self._trainer = Trainer(study, checkpoints, device, lambda epoch: heard(self._jobs[0], epoch))

    @property
    def size(self) -> int:
        return 1

    @property
    def busy(self) -> int:
        return len(self._jobs)

    def start(self, job: Job) -> None:
        self._jobs.append(job)

    def finish(self) -> tuple[Job, Evaluation]:
        row = self._trainer.advance(self._jobs[0])
        return self._jobs.pop(), row

    def close(self) -> None:
        self._jobs.clear()
