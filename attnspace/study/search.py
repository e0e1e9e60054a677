"""The search: baselines first, then promotions and new designs, each step written to the ledger before the next.

What comes next depends on the ledger alone, so that a search that was killed goes on as if it had not been.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from attnspace.errors import PlacementError, SpecError
from attnspace.space import Filling
from attnspace.study.appraisal import Appraisal
from attnspace.study.checkpoints import Checkpoints
from attnspace.study.design import Design, Study
from attnspace.study.ledger import Evaluation, Ledger
from attnspace.study.progress import Watcher
from attnspace.study.standing import Standing
from attnspace.study.suggester import Suggester
from attnspace.study.trainer import Trainer

__all__ = ["Outcome", "Search", "Step", "search", "threads"]

DRAWS = 2_000
WAITING = 64
"""Checkpoints that may wait before those that will hardly be promoted are dropped."""


@dataclass(frozen=True)
class Outcome:
    """What one sitting of a search did.

    Attributes:
        evaluations: rows written in this sitting.
        epochs: trained in this sitting.
        training_s: seconds in training loops.
        exhausted: whether the space had no further design.
    """

    evaluations: int
    epochs: int
    training_s: float
    exhausted: bool


@dataclass(frozen=True)
class Step:
    """What is done next: a design goes from epoch `since` to epoch `until`."""

    design: Design
    seed: int
    since: int
    until: int
    trial: int | None = None


def search(study: Study, ledger: Ledger, watcher: Watcher, checkpoints: Checkpoints | None = None) -> Outcome:
    """Evaluate what is still missing: baselines, then trials up to the number asked for, and their promotions.

    Raises:
        RunFailed: the ledger or a checkpoint cannot be written.
    """
    with threads(study.config.search.threads):
        return Search(study, ledger, watcher, checkpoints or Checkpoints(None)).run()


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Let torch use so many CPU threads; None leaves it as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Search:
    """One sitting of a search."""

    def __init__(self, study: Study, ledger: Ledger, watcher: Watcher, checkpoints: Checkpoints) -> None:
        self._study = study
        self._ledger = ledger
        self._watcher = watcher
        self._checkpoints = checkpoints
        self._appraisal = Appraisal(study, ledger)
        self._trainer = Trainer(study, self._appraisal, checkpoints, watcher.epoch_ends)
        config = study.config
        goals = config.objective.goals
        self._suggester = Suggester(
            study.space, config.search.sampler, config.search.seed, [goal.direction for goal in goals]
        )
        self._standing = Standing(study, self._suggester)
        self._exhausted = False

    def run(self) -> Outcome:
        """Take step after step until nothing is left to do."""
        standing = self._standing
        earlier = [row for row in self._ledger.rows() if (row.recipe, row.phase) == (self._study.recipe, "search")]
        for row in earlier:
            standing.add(row)
        self._watcher.begin(self._study, earlier)
        evaluations, epochs, training_s = 0, 0, 0.0
        while (step := self._next()) is not None:
            row = self._take(step)
            evaluations += 1
            epochs += max(0, len(row.history) - step.since)
            training_s += row.train_s
        self._checkpoints.keep(())
        return Outcome(evaluations, epochs, training_s, self._exhausted)

    def _next(self) -> Step | None:
        study, standing = self._study, self._standing
        for baseline in study.baselines:
            if baseline.identity not in standing.seen:
                return Step(baseline, study.seed(), 0, study.epochs)
        promotion = standing.halving.promotion()
        if promotion is None and standing.trials < study.config.search.trials and not self._exhausted:
            step = self._new()
            self._exhausted = step is None
            if step is not None:
                return step
        # A small search may end before its rungs let anyone through: one design is trained to the end all the same.
        promotion = promotion or standing.halving.leader()
        if promotion is None:
            return None
        key, rung = promotion
        since, until = study.rungs[rung - 1], study.rungs[rung]
        return Step(standing.design(key), key.seed, since, until, standing.number(key))

    def _take(self, step: Step) -> Evaluation:
        self._watcher.design_begins(step.design, step.since, step.until)
        row = self._trainer.advance(step.design, step.seed, since=step.since, until=step.until, trial=step.trial)
        self._ledger.add(row)
        self._standing.add(row, step.design)
        if step.since:
            self._checkpoints.drop(row.design, row.seed, step.since)
        self._drop_hopeless()
        self._watcher.design_ends(row)
        return row

    def _drop_hopeless(self) -> None:
        """Keep the disk small: those far from a promotion would train from the start, should it come to that."""
        rungs, factor = self._study.rungs, self._standing.halving.factor
        if self._checkpoints.count() > WAITING * len(rungs):
            self._checkpoints.keep(
                {
                    Checkpoints.name(key.design, key.seed, epochs)
                    for rung, epochs in enumerate(rungs)
                    for key in self._standing.halving.waiting(rung, 1.5 / factor)
                }
            )

    def _new(self) -> Step | None:
        """The next trial: a suggested design that is new, or a further seed of one that is promising; else one within
        the limits near to what was suggested; else one drawn at random, or the next one in order.

        Returns:
            None if the space holds no further design, or none that 2,000 draws from a large one found.
        """
        study, standing = self._study, self._standing
        number, suggester = standing.trials, self._suggester
        rng = random.Random(f"{study.config.search.seed}/{number}")
        heavy: Filling | None = None
        standing.refresh()
        for attempt in range(suggester.attempts):
            filling = suggester.ask(number, attempt)
            step = self._step(filling, number, repeat=not suggester.is_exhaustive)
            if step is not None:
                return step
            if heavy is None and self._appraisal.excesses_of(filling):
                heavy = filling
        repaired = self._appraisal.repaired(heavy, rng) if heavy else None
        if repaired is not None and (step := self._step(repaired, number)) is not None:
            return step
        small = study.space.size() <= DRAWS
        order = rng.sample(range(int(study.space.size())), int(study.space.size())) if small else None
        fillings = map(study.space.at, order) if order else (study.space.sample(rng) for _ in range(DRAWS))
        return next((step for filling in fillings if (step := self._step(filling, number)) is not None), None)

    def _step(self, filling: Filling, number: int, *, repeat: bool = False) -> Step | None:
        study, standing = self._study, self._standing
        try:
            design = study.design(filling)
        except (SpecError, PlacementError):
            return None  # holes are filled independently, and not every combination is a valid block
        if design.identity in standing.seen:
            seed = standing.further_seed(design.identity) if repeat else None
            return None if seed is None else Step(design, seed, 0, study.epochs, number)
        if study.table and study.table.find(design.identity, study.seed()) is None:
            return None
        if self._appraisal.excesses(design):
            return None
        return Step(design, study.seed(), 0, study.rungs[0], number)
