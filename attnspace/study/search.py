"""The search: baselines first, then one new design after the other, each written to the ledger."""

from __future__ import annotations

import os
import platform
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import torch

from attnspace.errors import PlacementError, SpecError, TrainingDiverged
from attnspace.study.design import Design, Study
from attnspace.study.ledger import Evaluation, Ledger, timestamp
from attnspace.study.progress import Watcher
from attnspace.study.sampler import Suggester
from attnspace.train import Epoch, train

__all__ = ["Outcome", "evaluate", "next_design", "search"]

ATTEMPTS = 20
"""Suggestions to hear for one trial before drawing at random: samplers repeat themselves by design."""
DRAWS = 2_000


@dataclass(frozen=True)
class Outcome:
    """What one sitting of a search did.

    Attributes:
        evaluations: trained in this sitting.
        training_s: seconds in training loops.
        exhausted: whether the space had no further design.
    """

    evaluations: int
    training_s: float
    exhausted: bool


def search(study: Study, ledger: Ledger, watcher: Watcher) -> Outcome:
    """Evaluate what is still missing: baselines, then trials up to the number asked for.

    Raises:
        RunFailed: the ledger cannot be written.
    """
    with _threads(study.config.search.threads):
        return _search(study, ledger, watcher)


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _search(study: Study, ledger: Ledger, watcher: Watcher) -> Outcome:
    config = study.config
    done = [row for row in ledger.rows() if row.recipe == study.recipe]
    seen = {row.design for row in done}
    trials = [row for row in done if row.role == "trial"]
    missing = [design for design in study.baselines if design.identity not in seen]
    watcher.begin(study, done, len(missing) + max(0, config.search.trials - len(trials)))
    fresh: list[Evaluation] = []

    def run(design: Design) -> Evaluation:
        watcher.design_begins(design)
        row = evaluate(study, design, watcher.epoch_ends)
        ledger.add(row)
        seen.add(row.design)
        fresh.append(row)
        watcher.design_ends(row)
        return row

    for baseline in missing:
        if baseline.identity not in seen:
            run(baseline)

    suggester = Suggester(study.space, config.search.sampler, config.search.seed, config.objective.direction)
    for row in trials:
        _tell(suggester, study, row)
    exhausted = False
    for number in range(len(trials), config.search.trials):
        design = next_design(study, suggester, seen, number)
        if design is None:
            exhausted = True
            break
        _tell(suggester, study, run(design))
    return Outcome(len(fresh), sum(row.train_s for row in fresh), exhausted)


def _tell(suggester: Suggester, study: Study, row: Evaluation) -> None:
    value = row.metric(study.config.objective.metric)
    if row.outcome == "done" and value is not None:
        suggester.tell(row.choices, value)


def next_design(study: Study, suggester: Suggester, seen: set[str], number: int) -> Design | None:
    """A design that was not evaluated before: suggested, else drawn at random, else the next one in order.

    Returns:
        None if the space holds no further valid design, or none that 2,000 draws from a large one found.
    """
    for attempt in range(ATTEMPTS):
        if (design := _new(study, suggester.ask(number, attempt), seen)) is not None:
            return design
    rng = random.Random(f"{study.config.search.seed}/{number}")
    small = study.space.size() <= DRAWS
    order = rng.sample(range(study.space.size()), study.space.size()) if small else None
    fillings = map(study.space.at, order) if order else (study.space.sample(rng) for _ in range(DRAWS))
    return next((design for filling in fillings if (design := _new(study, filling, seen)) is not None), None)


def _new(study: Study, filling: Any, seen: set[str]) -> Design | None:
    try:
        design = study.design(filling)
    except (SpecError, PlacementError):
        return None  # holes are filled independently, and not every combination is a valid block
    return None if design.identity in seen else design


def evaluate(study: Study, design: Design, on_epoch: Callable[[Epoch], None]) -> Evaluation:
    """Build, cost and train one design. Its failure is a result, with its reason."""
    started = time.perf_counter()
    config = study.config
    history: list[Epoch] = []
    costs = None
    training_began = training_ended = None
    reason = None

    def note(epoch: Epoch) -> None:
        history.append(epoch)
        on_epoch(epoch)

    try:
        torch.manual_seed(config.search.seed)
        model = study.network(design)
        costs = study.cost(model)
        training_began = time.perf_counter()
        train(model, study.data, config.train, config.search.seed, note)
    except TrainingDiverged as error:
        reason = str(error)
    except Exception as error:  # one design's fault must not end the search; it is recorded and shown
        reason = f"{type(error).__name__}: {error}"
    training_ended = time.perf_counter()
    last = history[-1] if history and reason is None else None
    return Evaluation(
        role=design.role,
        name=design.name,
        design=design.identity,
        recipe=study.recipe,
        seed=config.search.seed,
        epochs=config.train.epochs,
        label=design.label,
        placement=design.placement.label() if design.plan else "",
        spec=design.written(),
        choices=dict(design.choices),
        outcome="failed" if reason else "done",
        reason=reason,
        val_accuracy=last.val_accuracy if last else None,
        val_loss=last.val_loss if last else None,
        train_loss=last.train_loss if last else None,
        history=[epoch.to_dict() for epoch in history],
        params=costs.params if costs else None,
        flops=costs.flops if costs else None,
        train_s=training_ended - training_began if training_began else 0.0,
        total_s=time.perf_counter() - started,
        finished=timestamp(),
        versions=_versions(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optuna": optuna.__version__,
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
    }
