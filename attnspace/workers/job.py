"""What a worker is handed, and the ledger's row that it hands back."""

from __future__ import annotations

import os
import platform
import socket
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import optuna
import torch

from attnspace.objective.limits import Costs
from attnspace.record.ledger import Evaluation, timestamp
from attnspace.study.design import Design
from attnspace.study.study import Study

__all__ = ["Job", "failed", "told"]


@dataclass(frozen=True)
class Job:
    """A design goes from epoch `since` to epoch `until`.

    Attributes:
        design: what is trained.
        seed: of weights, order and augmentation.
        since: the epoch after which an earlier training waits; 0 begins.
        until: the last epoch.
        trial: the number of the trial, see `Evaluation`.
        phase: `search` or `confirm`; a confirmation looks at the test images.
        costs: of the design; None if they could not be found.
        fault: why they could not.
    """

    design: Design
    seed: int
    since: int
    until: int
    trial: int | None = None
    phase: str = "search"
    costs: Costs | None = None
    fault: str | None = None


def failed(study: Study, job: Job, reason: str) -> Evaluation:
    """The row of a training that came to nothing."""
    design = job.design
    return Evaluation(
        phase=job.phase,
        trial=job.trial,
        role=design.role,
        name=design.name,
        design=design.identity,
        recipe=study.recipe,
        seed=job.seed,
        epochs=job.until,
        label=design.label,
        placement=design.placement.label() if design.plan else "",
        spec=design.written(),
        choices=dict(design.choices),
        outcome="failed",
        reason=reason,
        val_accuracy=None,
        val_loss=None,
        train_loss=None,
        test_accuracy=None,
        test_loss=None,
        history=[],
        **(asdict(job.costs) if job.costs else dict.fromkeys(Costs.__dataclass_fields__)),
        train_s=0.0,
        total_s=0.0,
        finished=timestamp(),
        versions=_versions(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def told(error: BaseException) -> str:
    """An error in words, with the line of the user's code, or of a library's, that raised it."""
    own = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optuna": optuna.__version__,
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
        **{name: str(sys.modules[name].__version__) for name in ("timm", "torchvision") if name in sys.modules},
    }
