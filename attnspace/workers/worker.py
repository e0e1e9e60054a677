"""A worker's whole life, in a process of its own: what it is sent, it trains."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch

from attnspace.errors import AttnspaceError, RunFailed, TrainingFailed
from attnspace.record.checkpoints import Checkpoints
from attnspace.study.loading import build_study
from attnspace.study.study import StudySource
from attnspace.workers.job import Job
from attnspace.workers.trainer import DeviceLost, Trainer

__all__ = ["probed", "work"]


def work(
    line: Connection,
    source: StudySource,
    protocol: str,
    checkpoints: Checkpoints,
    device: torch.device,
    threads: int | None,
    share: float,
) -> None:
    """Train what comes over the line until None does, or the line ends.

    Args:
        line: to the process that searches. Jobs come, or seconds of a probe; what goes is a pair: `ready`; `epoch` and
            an epoch; `row` and an evaluation; `rate` and images per second; `lost` and why this process is of no more
            use; `fault` and an error that ends the search.
        source: of the study.
        protocol: of the study in the process that searches.
        checkpoints: where trainings wait.
        device: where networks are trained.
        threads: CPU threads; None leaves it to torch.
        share: of the device's free memory, what images may fill.
    """
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that searches, which ends this one
    if threads:
        torch.set_num_threads(threads)
    try:
        study = build_study(source)
        if study.protocol != protocol:
            raise RunFailed(
                "data or code of the study have changed since the search began",
                file=source.file,
                remedy="undo the change, or search anew under another name",
            )
        trainer = Trainer(study, checkpoints, device, lambda epoch: line.send(("epoch", epoch)), share)
        line.send(("ready", None))
        while (order := line.recv()) is not None:
            if isinstance(order, Job):
                line.send(("row", trainer.advance(order)))
            else:
                line.send(("rate", probed(trainer, order)))
    except DeviceLost as error:
        line.send(("lost", error.what))
    except AttnspaceError as error:
        line.send(("fault", error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the process that searches has gone


def _end_with_parent() -> None:
    """End this process as soon as the one that searches has ended, in the middle of an epoch too: beside a search that
    was begun again it would take up the device for nothing.
    """

    def wait(parent: BaseProcess) -> None:
        parent.join()
        os._exit(1)

    if (parent := parent_process()) is not None:
        threading.Thread(target=wait, args=(parent,), daemon=True).start()


def probed(trainer: Trainer, seconds: float) -> float:
    """Measure images per second; 0 if memory does not suffice."""
    try:
        return trainer.probe(seconds)
    except (torch.OutOfMemoryError, TrainingFailed):
        return 0.0
