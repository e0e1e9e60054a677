"""Several processes that train at once.

The process that searches alone writes the ledger and asks the sampler; workers are handed jobs and hand back rows. A
worker that dies, as when the system is out of memory, or that gives no sign for far longer than any before it, is
replaced, and its training begins again. A training that takes its worker down twice is set aside.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from attnspace.data.loader import SHARE
from attnspace.errors import RunFailed
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation, Outcome
from attnspace.record.ledger import Mark
from attnspace.study.study import Study
from attnspace.workers.job import Job, set_aside
from attnspace.workers.pool import OnEpoch, WorkerPool
from attnspace.workers.worker import work

__all__ = ["PATIENCE_S", "PROBE_SECONDS", "ProcessPool"]

PROBE_SECONDS = 4.0
PATIENCE_S = 5.0
"""How long a process may take to end before it is killed."""

TRIES = 2
"""How often a training may take its worker down."""

TICK_S = 1.0
SILENCE, LEAST_SILENCE_S = 20.0, 120.0
"""A worker that gives no sign for so many times the longest silence so far, and so many seconds, hangs."""


@dataclass
class _Worker:
    """A process, the device that it trains on, the job that it has, and for how many seconds it has given no sign."""

    process: SpawnProcess
    line: Connection
    device: torch.device
    job: Job | None = None
    silent_s: float = 0.0

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
        note: hears of workers that were lost.
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
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._share = share
        self._study, self._checkpoints, self._on_epoch, self._threads = study, checkpoints, on_epoch, threads
        self._note = note
        self._workers: list[_Worker] = []
        self._losses: Counter[Mark] = Counter()
        self._longest_silence_s: float | None = None
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
            try:
                worker.line.send(job)
            except OSError:
                raise RunFailed(f"a worker could not begin: {_end_of(worker.process)}") from None
        worker.job, worker.silent_s = job, 0.0

    def next_result(self) -> tuple[Job, Evaluation]:
        while True:
            at_work = {worker.line: worker for worker in self._workers if worker.job is not None}
            began = time.monotonic()
            ready = wait(list(at_work), TICK_S)
            # While this process stood still, as in a laptop that sleeps, so did its workers.
            passed = min(time.monotonic() - began, TICK_S)
            for worker in at_work.values():
                worker.silent_s += passed
            for line in ready:
                if (ended := self._hear(at_work[line])) is not None:  # type: ignore[index]  # typed for sockets too
                    return ended
            for worker in list(self._workers):
                if (ended := self._check_silence(worker)) is not None:
                    return ended

    def _hear(self, worker: _Worker) -> tuple[Job, Evaluation] | None:
        """Take in what a worker sends; the job and its row if that has ended."""
        job = worker.job
        assert job is not None
        kind, what = worker.receive()
        if kind == "fault":
            raise what
        if kind == "lost":
            return self._lose(worker, job, what)
        if kind == "epoch" or what.outcome != Outcome.FAILED:  # what fails at once tells nothing of how long one takes
            self._longest_silence_s = max(self._longest_silence_s or 0.0, worker.silent_s)
        worker.silent_s = 0.0
        if kind == "epoch":
            self._on_epoch(job, what)
            return None
        worker.job = None
        return job, what

    def _check_silence(self, worker: _Worker) -> tuple[Job, Evaluation] | None:
        """End a worker that hangs; while nothing is known of how long a training takes, none does."""
        if worker.job is None or self._longest_silence_s is None:
            return None
        if worker.silent_s <= max(LEAST_SILENCE_S, SILENCE * self._longest_silence_s):
            return None
        worker.process.kill()
        longest = f"no training before it for more than {self._longest_silence_s:.1f} s"
        return self._lose(worker, worker.job, f"it gave no sign for {worker.silent_s:.0f} s, and {longest}")

    def _lose(self, worker: _Worker, job: Job, what: str) -> tuple[Job, Evaluation] | None:
        """Replace a worker, and begin its training again; its row, if it has taken down as many as it may."""
        worker.job = None
        new, mark = self._replace(worker), job.mark(self._study.protocol)
        self._losses[mark] += 1
        if self._losses[mark] >= TRIES:
            return job, set_aside(self._study.protocol, self._study.epochs, job, what)
        name = job.design.name or job.design.label
        self._note(f"the training of {name}, seed {job.seed}, was lost: {what}. It begins again")
        new.job = job
        try:
            new.line.send(job)
        except OSError:
            return self._lose(new, job, _end_of(new.process))
        return None

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
