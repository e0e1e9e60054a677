"""Several processes that train at once.

The process that searches alone writes the ledger and asks the sampler; workers are handed jobs and hand back rows. A
worker that dies, as when the system is out of memory, costs the training that it held, and is replaced.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from attnspace.data.loader import SHARE
from attnspace.errors import RunFailed
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation
from attnspace.study.study import Study
from attnspace.workers.job import Job, Result, row
from attnspace.workers.pool import OnEpoch, WorkerPool
from attnspace.workers.worker import work

__all__ = ["PATIENCE_S", "PROBE_SECONDS", "ProcessPool"]

PROBE_SECONDS = 4.0
PATIENCE_S = 5.0
"""How long a process may take to end before it is killed."""


@dataclass
class _Worker:
    """A process, the device that it trains on, and the job that it has."""

    process: SpawnProcess
    line: Connection
    device: torch.device
    job: Job | None = None

    def receive(self) -> tuple[str, Any]:
        """Wait for what the process sends next, see `attnspace.workers.worker`; or `lost` and how it ended."""
        try:
            kind, what = self.line.recv()
        except (EOFError, OSError):
            return "lost", _end_of(self.process)
        return kind, what


class ProcessPool(WorkerPool):
    """Several processes, each of which trains one job at a time.

    Args:
        study: whose designs.
        checkpoints: where trainings wait.
        devices: one for each process.
        on_epoch: hears of every epoch of every job.
        threads: CPU threads of each; None leaves it to torch.
        share: of a device's free memory, what each may fill with images.

    Raises:
        AttnspaceError: a worker cannot begin.
    """

    def __init__(
        self,
        study: Study,
        checkpoints: Checkpoints,
        devices: Sequence[torch.device],
        on_epoch: OnEpoch = lambda job, epoch: None,
        threads: int | None = None,
        share: float = SHARE,
    ) -> None:
        self._share = share
        self._study, self._checkpoints, self._on_epoch, self._threads = study, checkpoints, on_epoch, threads
        self._workers: list[_Worker] = []
        self.start(devices)

    @property
    def size(self) -> int:
        return len(self._workers)

    @property
    def busy(self) -> int:
        return sum(worker.job is not None for worker in self._workers)

    def submit(self, job: Job) -> None:
        worker = next(worker for worker in self._workers if worker.job is None)
        try:
            worker.line.send(job)
        except OSError:  # it died while it was idle
            worker = self._replace(worker)
            worker.line.send(job)
        worker.job = job

    def next_result(self) -> tuple[Job, Evaluation]:
        while True:
            at_work = {worker.line: worker for worker in self._workers if worker.job is not None}
            for line in wait(list(at_work)):
                worker = at_work[line]  # type: ignore[index]  # `wait` is typed for sockets and handles too
                job = worker.job
                assert job is not None
                kind, what = worker.receive()
                if kind == "epoch":
                    self._on_epoch(job, what)
                elif kind == "fault":
                    raise what
                elif kind == "lost":
                    self._replace(worker)
                    return job, row(self._study.protocol, self._study.epochs, job, Result(reason=what))
                else:
                    worker.job = None
                    return job, what

    def start(self, devices: Sequence[torch.device]) -> None:
        """Begin further processes, and wait until they are ready.

        Raises:
            AttnspaceError: one cannot begin; those that were to begin with it have ended then.
        """
        context = multiprocessing.get_context("spawn")
        new = []
        for device in devices:
            here, there = context.Pipe()
            order = (self._study.source, self._study.protocol, self._checkpoints, device, self._threads, self._share)
            process = context.Process(target=work, args=(there, *order))
            with _without_interrupts():
                process.start()
            there.close()  # so that the line ends with the process
            new.append(_Worker(process, here, device))
        try:
            for worker in new:
                self._answer(worker)
        except BaseException:
            _end(new)
            raise
        self._workers += new

    def _replace(self, worker: _Worker) -> _Worker:
        """A new process in place of one that has died or is of no more use."""
        self._workers.remove(worker)
        _end([worker])
        self.start([worker.device])
        return self._workers[-1]

    def stop(self, number: int) -> None:
        """End the processes that were started last."""
        _end(self._workers[-number:])
        del self._workers[-number:]

    def probe(self) -> float:
        """Images per second that all processes train together; 0 if memory does not suffice."""
        for worker in self._workers:
            worker.line.send(PROBE_SECONDS)
        rates = [float(self._answer(worker)) for worker in self._workers]
        return sum(rates) if all(rates) else 0.0

    def close(self) -> None:
        _end(self._workers)
        self._workers = []

    def _answer(self, worker: _Worker) -> Any:
        """Wait for the answer of a process that trains nothing."""
        kind, what = worker.receive()
        if kind == "lost":
            raise RunFailed(f"a worker could not begin: {what}")
        if kind == "fault":
            raise what
        return what


def _end(workers: Sequence[_Worker]) -> None:
    """Ask idle processes to end, and end those at work."""
    for worker in workers:
        if worker.job is None and worker.process.is_alive():
            try:
                worker.line.send(None)
            except OSError:  # it has ended by itself
                continue
        else:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.line.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that begins in here does not hear Ctrl-C, which is for the one that searches."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_of(process: SpawnProcess) -> str:
    """How a process ended, in words."""
    process.join(PATIENCE_S)
    code = process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        cause = ", as the system does when it is out of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{cause}"
    return f"its process ended with status {code}"
