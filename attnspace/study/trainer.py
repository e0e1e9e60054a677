"""One design, trained from where it stands to a rung or to the end, or looked up; and the ledger's row of it."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import optuna
import torch

from attnspace.data import Split
from attnspace.errors import RunFailed, TrainingDiverged
from attnspace.study.appraisal import Appraisal
from attnspace.study.checkpoints import Checkpoints
from attnspace.study.config import Replay
from attnspace.study.design import Design, Study
from attnspace.study.ledger import Evaluation, timestamp
from attnspace.study.limits import Costs
from attnspace.train import Epoch, Training

__all__ = ["Trainer"]


class Trainer:
    """Trains the designs of a study.

    Args:
        study: whose designs.
        appraisal: what they cost.
        checkpoints: where trainings wait.
        on_epoch: hears of every epoch.
    """

    def __init__(
        self,
        study: Study,
        appraisal: Appraisal,
        checkpoints: Checkpoints,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ) -> None:
        self._study = study
        self._appraisal = appraisal
        self._checkpoints = checkpoints
        self._on_epoch = on_epoch

    def advance(
        self,
        design: Design,
        seed: int,
        *,
        until: int,
        since: int = 0,
        phase: str = "search",
        trial: int | None = None,
        test: Split | None = None,
    ) -> Evaluation:
        """Train a design up to epoch `until`; its failure is a result, with its reason.

        Args:
            design: what is trained.
            seed: of weights, order and augmentation.
            until: the last epoch.
            since: the epoch after which an earlier training waits.
            phase: see `Evaluation`.
            trial: see `Evaluation`.
            test: images to test the trained network on, once.
        """
        started = time.perf_counter()
        history: list[Epoch] = []
        costs: Costs | None = None
        tested: tuple[float, float] | None = None
        train_s = 0.0
        reason = None
        try:
            costs = self._appraisal.costs(design)
            if self._study.table:
                history, reason = self._recorded(design, seed, until)
            else:
                training = self._begun(design, seed, since)
                history = training.history
                began = time.perf_counter()
                try:
                    training.run(until, self._on_epoch)
                finally:
                    train_s = time.perf_counter() - began
                if until < self._study.epochs:
                    self._checkpoints.save(design.identity, seed, until, training.state())
                tested = training.evaluate(test) if test else None
        except TrainingDiverged as error:
            reason = str(error)
        except RunFailed:  # nothing can be written
            raise
        except Exception as error:  # one design's fault must not end the search; it is recorded and shown
            reason = f"{type(error).__name__}: {error}"
        last = history[-1] if history and reason is None else None
        return Evaluation(
            phase=phase,
            trial=trial,
            role=design.role,
            name=design.name,
            design=design.identity,
            recipe=self._study.recipe,
            seed=seed,
            epochs=until,
            label=design.label,
            placement=design.placement.label() if design.plan else "",
            spec=design.written(),
            choices=dict(design.choices),
            outcome="failed" if reason else "done" if until == self._study.epochs else "paused",
            reason=reason,
            val_accuracy=last.val_accuracy if last else None,
            val_loss=last.val_loss if last else None,
            train_loss=last.train_loss if last else None,
            test_accuracy=tested[1] if tested else None,
            test_loss=tested[0] if tested else None,
            history=[epoch.to_dict() for epoch in history],
            **(asdict(costs) if costs else dict.fromkeys(Costs.__dataclass_fields__)),
            train_s=train_s,
            total_s=time.perf_counter() - started,
            finished=timestamp(),
            versions=_versions(),
            worker=f"{socket.gethostname()}:{os.getpid()}",
        )

    def _begun(self, design: Design, seed: int, since: int) -> Training:
        """A training that stands where the earlier one waits, or at the start if that is gone."""
        assert not isinstance(self._study.config.train, Replay)
        torch.manual_seed(seed)
        model = self._study.network(design)
        training = Training(model, self._study.data, self._study.config.train, seed)
        state = self._checkpoints.load(design.identity, seed, since) if since else None
        if state is not None:
            training.restore(state)
        return training

    def _recorded(self, design: Design, seed: int, until: int) -> tuple[list[Epoch], str | None]:
        """What the table has up to an epoch, and why it has no more."""
        assert self._study.table
        found = self._study.table.find(design.identity, seed)
        if found is None:
            raise LookupError(f"the table has no design {design.identity} with seed {seed}")
        reason = None
        if len(found.history) < until:
            reason = found.reason or f"recorded for {len(found.history)} epochs only"
        return [Epoch(**epoch) for epoch in found.history[:until]], reason


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optuna": optuna.__version__,
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
    }
