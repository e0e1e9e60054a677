"""Worker pools: they take jobs and give back rows. Here, that of this process, one training after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from types import TracebackType
from typing import Self

import torch

from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation
from attnspace.record.ledger import Ledger, Mark
from attnspace.study.study import Study
from attnspace.training.epoch import Epoch
from attnspace.workers.job import Job
from attnspace.workers.trainer import Trainer

__all__ = ["InlinePool", "MarkingPool", "OnEpoch", "WorkerPool"]

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
    """This process: one job, trained when its result is waited for.

    Args:
        study: whose designs.
        checkpoints: where trainings wait.
        device: where networks are trained.
        on_epoch: hears of every epoch of every job.
        suspects: trainings during which an earlier process ended without a word. Should they be the cause, as one that
            needs too much memory is, they must not end this process too.
        apart: makes a pool of one other process, in which they are trained.
    """

    def __init__(
        self,
        study: Study,
        checkpoints: Checkpoints,
        device: torch.device,
        on_epoch: OnEpoch,
        suspects: Container[Mark] = (),
        apart: Callable[[], WorkerPool] | None = None,
    ) -> None:
        self._jobs: list[Job] = []
        self._protocol, self._suspects, self._apart = study.protocol, suspects, apart
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
        job = self._jobs[0]
        if self._apart is not None and job.mark(self._protocol) in self._suspects:
            with self._apart() as pool:
                pool.submit(job)
                _, row = pool.next_result()
        else:
            row = self._trainer.advance(job)
        return self._jobs.pop(), row

    def close(self) -> None:
        self._jobs.clear()


class MarkingPool(WorkerPool):
    """A pool whose jobs are marked in the ledger while they are under way, so that it is known what a process that was
    killed was at.

    Args:
        pool: trains.
        ledger: of the run; a job's row, once it is added, takes the mark away.
        protocol: of the study.
        suspects: marks that an earlier process left; they stay until their rows are added.
    """

    def __init__(self, pool: WorkerPool, ledger: Ledger, protocol: str, suspects: Iterable[Mark] = ()) -> None:
        self.pool, self._ledger, self._protocol = pool, ledger, protocol
        self._suspects, self._made = frozenset(suspects), set[Mark]()

    @property
    def size(self) -> int:
        return self.pool.size

    @property
    def busy(self) -> int:
        return self.pool.busy

    def submit(self, job: Job) -> None:
        mark = job.mark(self._protocol)
        self._ledger.mark(mark)
        self._made.add(mark)
        self.pool.submit(job)

    def next_result(self) -> tuple[Job, Evaluation]:
        return self.pool.next_result()

    def close(self) -> None:
        self.pool.close()
        self._ledger.unmark(self._made - self._suspects)
