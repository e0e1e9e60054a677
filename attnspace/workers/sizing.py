"""The worker pool that a study asks for; on a GPU, as large as a measurement finds best."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence

import torch

from attnspace.data.loader import SHARE
from attnspace.errors import RunFailed
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.ledger import Ledger, Mark
from attnspace.study.study import Study
from attnspace.workers.devices import devices
from attnspace.workers.pool import InlinePool, MarkingPool, OnEpoch, WorkerPool
from attnspace.workers.processes import ProcessPool

__all__ = ["open_pool"]

GAIN = 1.05
"""How many times as much a further worker on each device has to bring, where their number is measured."""

MOST = 8
"""Workers on a device, at most, where their number is measured."""


def open_pool(
    study: Study,
    checkpoints: Checkpoints,
    on_epoch: OnEpoch = lambda job, epoch: None,
    note: Callable[[str], None] = print,
    ledger: Ledger | None = None,
) -> WorkerPool:
    """The worker pool that a study asks for.

    Args:
        study: whose designs.
        checkpoints: where trainings wait.
        on_epoch: hears of every epoch of every job.
        note: hears how many trainings at once were found best, and of workers that were lost.
        ledger: of the run, where what is under way is marked; None marks nothing.

    Raises:
        StudyError: it asks for a device that is not there.
        AttnspaceError: a worker cannot begin.
    """
    if study.method.is_lookup or ledger is None:
        return _unmarked(study, checkpoints, on_epoch, note, set())
    suspects = ledger.marks()
    return MarkingPool(_unmarked(study, checkpoints, on_epoch, note, suspects), ledger, study.protocol, suspects)


def _unmarked(
    study: Study,
    checkpoints: Checkpoints,
    on_epoch: OnEpoch,
    note: Callable[[str], None],
    suspects: Collection[Mark],
) -> WorkerPool:
    settings, method = study.config.search, study.method
    where = devices(settings.device)
    workers = settings.workers
    measure = where[0].type == "cuda" and method.is_measurable and not study.config.objective.times

    def processes(where: Sequence[torch.device], each: int, threads: int | None) -> ProcessPool:
        return ProcessPool(study, checkpoints, where, on_epoch, threads, SHARE / each, note)

    def apart() -> WorkerPool:
        note("a training during which the process ended without a word is tried again, in a process of its own")
        return processes(where[:1], 2, settings.threads)

    if method.is_lookup or workers == 1 or (workers is None and not measure):
        return InlinePool(study, checkpoints, where[0], on_epoch, suspects, apart)
    each = -(-workers // len(where)) if workers else MOST
    threads = settings.threads or max(1, (os.cpu_count() or 1) // (workers or each * len(where)))
    if workers:
        return processes([where[i % len(where)] for i in range(workers)], each, threads)
    pool = processes(where, each, threads)
    try:
        return _measured(pool, where, note)
    except BaseException:
        pool.close()
        raise


def _measured(pool: ProcessPool, where: Sequence[torch.device], note: Callable[[str], None]) -> WorkerPool:
    """One more process on each device as long as that brings more images per second."""
    most = len(where) * min(MOST, max(1, (os.cpu_count() or 1) // len(where)))
    first = best = pool.probe()
    while pool.size < most and best:
        try:
            pool.start(where)
        except RunFailed:  # the device takes no further process
            break
        rate = pool.probe()
        if rate < GAIN * best:
            pool.stop(len(where))
            break
        best = rate
    note(f"{pool.size} trainings at once: {best:,.0f} images per second, by {len(where)} at once {first:,.0f}")
    return pool
