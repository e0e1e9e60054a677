"""What a worker is handed, and the ledger's row that it hands back."""

from __future__ import annotations

import os
import platform
import socket
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import torch

from attnspace.costs.declaration import DesignCosts
from attnspace.costs.measured import cost_columns
from attnspace.documents.imports import Exited
from attnspace.errors import brief
from attnspace.objective.metrics import METRICS
from attnspace.record.answers import Answers
from attnspace.record.evaluation import Evaluation, Outcome, Phase, timestamp
from attnspace.record.ledger import Mark
from attnspace.study.design import Design
from attnspace.training.epoch import Epoch

__all__ = ["Job", "Result", "SET_ASIDE", "describe", "differs", "row", "set_aside"]

SET_ASIDE = "set aside, since its training ended its process twice"
"""What the reason of such a row begins with."""


VERSIONS = ("torch", "timm", "torchvision")
"""What the numbers of a training depend on."""


@dataclass(frozen=True)
class Job:
    """A design goes from epoch `since` to epoch `until`.

    Attributes:
        design: what is trained.
        seed: of weights, order and augmentation.
        since: the epoch after which an earlier training waits; 0 begins.
        until: the last epoch.
        trial: the number of the trial, see `Evaluation`.
        phase: of the search, or of a confirmation, which looks at the test images.
        costs: of the design; None if they could not be found.
        fault: why they could not.
        keep: the file that the weights are kept in when the training has ended; None keeps none.
        split: draws the training and validation images anew; None trains on the study's own.
    """

    design: Design
    seed: int
    since: int
    until: int
    trial: int | None = None
    phase: Phase = Phase.SEARCH
    costs: DesignCosts | None = None
    fault: str | None = None
    keep: Path | None = None
    split: int | None = None

    def mark(self, protocol: str) -> Mark:
        """What the job is called in the ledger, in a study of this protocol."""
        return Mark(self.design.identity, protocol, self.seed, self.until)


@dataclass
class Result:
    """What a training came to, as far as it got.

    Attributes:
        history: one entry for each epoch.
        tested: metrics on the test images, name -> value.
        reason: why it failed; None if it did not.
        train_s: seconds in the training loop.
        total_s: seconds with building and bookkeeping.
        environment: device, and how steps were taken.
        answers: to the test images, where the training says them.
    """

    history: Sequence[Epoch] = ()
    tested: Mapping[str, float | None] | None = None
    reason: str | None = None
    train_s: float = 0.0
    total_s: float = 0.0
    environment: Mapping[str, str] | None = None
    answers: Answers | None = None


def row(protocol: str, epochs: int, job: Job, result: Result) -> Evaluation:
    """The ledger's row of a job that has ended.

    Args:
        protocol: of the study.
        epochs: of a whole training.
        job: what was to be done.
        result: what it came to.
    """
    design, failed = job.design, result.reason is not None
    last = result.history[-1].metrics if result.history and not failed else {}
    metrics = {**last, **(result.tested or {})}
    reached = Outcome.DONE if job.until == epochs else Outcome.PAUSED
    return Evaluation(
        phase=job.phase,
        trial=job.trial,
        role=design.role,
        name=design.name,
        design=design.identity,
        protocol=protocol,
        seed=job.seed,
        epochs=job.until,
        label=design.label,
        placement=design.place,
        spec=design.data(),
        choices=dict(design.choices),
        outcome=Outcome.FAILED if failed else reached,
        reason=result.reason,
        metrics={name: metrics.get(name) for name in METRICS},
        history=[epoch.to_dict() for epoch in result.history],
        costs=job.costs or dict.fromkeys(cost_columns()),
        train_s=result.train_s,
        total_s=result.total_s,
        finished=timestamp(),
        environment=_environment() | dict(result.environment or {}),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        split=job.split,
        answers=result.answers,
    )


def set_aside(protocol: str, epochs: int, job: Job, what: str) -> Evaluation:
    """The row of a job that ended its process each time that it was tried; `what` says how."""
    return row(protocol, epochs, job, Result(reason=f"{SET_ASIDE}: {what}"))


def describe(error: BaseException) -> str:
    """An error in words, with the line of the user's code, or of a library's, that raised it."""
    own = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))
    raised = error.__cause__ if isinstance(error, Exited) and error.__cause__ else error
    frames = [frame for frame in traceback.extract_tb(raised.__traceback__) if not frame.filename.startswith(own)]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {brief(error)}{where}"


def differs(earlier: Iterable[Evaluation]) -> str | None:
    """What rows on record were trained with that is another version here, in a sentence; None where nothing is."""
    here = _environment()
    there: dict[str, set[str]] = {}
    for row in earlier:
        for name in VERSIONS:
            if name in here and row.environment.get(name, here[name]) != here[name]:
                there.setdefault(name, set()).add(row.environment[name])
    if not there:
        return None
    said = "; ".join(f"{name} {', '.join(sorted(found))}, here {here[name]}" for name, found in there.items())
    return f"results on record were made with {said}; they may differ a little from those that follow"


def _environment() -> dict[str, str]:
    """Versions of what results depend on, and the number of threads."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optuna": optuna.__version__,
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
        **{name: str(sys.modules[name].__version__) for name in ("timm", "torchvision") if name in sys.modules},
    }
