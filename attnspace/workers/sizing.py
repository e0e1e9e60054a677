"""The crew that a study asks for; on a GPU, as large as a measurement finds best."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch

from attnspace.data.loader import SHARE
from attnspace.errors import RunFailed
from attnspace.record.checkpoints import Checkpoints
from attnspace.study.study import Study
from attnspace.training.recipe import Recipe
from attnspace.workers.devices import devices
from attnspace.workers.pool import Alone, Crew, Heard
from attnspace.workers.processes import Processes

__all__ = ["gather"]

GAIN = 1.05
"""How many times as much a further worker on each device has to bring, where their number is measured."""

MOST = 8
"""Workers on a device, at most, where their number is measured."""


def gather(
    study: Study, checkpoints: Checkpoints, heard: Heard = lambda job, epoch: None, say: Callable[[str], None] = print
) -> Crew:
    """The crew that a study asks for.

    Args:
        study: whose designs.
        checkpoints: where trainings wait.
        heard: hears of every epoch of every job.
        say: hears how many trainings at once were found best.

    Raises:
        StudyError: it asks for a device that is not there.
        AttnspaceError: a worker cannot begin.
    """
    settings = study.config.search
    where = devices(settings.device)
    workers = settings.workers
    measure = where[0].type == "cuda" and isinstance(study.config.train, Recipe) and not study.config.times
    if study.table or workers == 1 or (workers is None and not measure):
        return Alone(study, checkpoints, where[0], heard)
    each = -(-workers // len(where)) if workers else MOST
    threads = settings.threads or max(1, (os.cpu_count() or 1) // (workers or each * len(where)))
    if workers:
        where = [where[i % len(where)] for i in range(workers)]
        return Processes(study, checkpoints, where, heard, threads, SHARE / each)
    crew = Processes(study, checkpoints, where, heard, threads, SHARE / each)
    try:
        return _measured(crew, where, say)
    except BaseException:
        crew.close()
        raise


def _measured(crew: Processes, where: Sequence[torch.device], say: Callable[[str], None]) -> Crew:
    """One more process on each device as long as that brings more images per second."""
    most = len(where) * min(MOST, max(1, (os.cpu_count() or 1) // len(where)))
    first = best = crew.probe()
    while crew.size < most and best:
        try:
            crew.hire(where)
        except RunFailed:  # the device takes no further process
            break
        rate = crew.probe()
        if rate < GAIN * best:
            crew.dismiss(len(where))
            break
        best = rate
    say(f"{crew.size} trainings at once: {best:,.0f} images per second, by {len(where)} at once {first:,.0f}")
    return crew
