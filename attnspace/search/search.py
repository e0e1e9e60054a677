"""The search: baselines first, then promotions and new designs, each row written to the ledger as it ends.

With one worker, what comes next depends on the ledger alone, so that a search that was killed goes on as if it had not
been. With several it depends on who ends first, too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from attnspace.errors import PlacementError, SpecError
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.ledger import Evaluation, Ledger
from attnspace.search.feasibility import Appraisal
from attnspace.search.progress import Watcher
from attnspace.search.state import Standing
from attnspace.search.suggester import Suggester
from attnspace.space.space import Filling
from attnspace.study.study import Study
from attnspace.workers.job import Job
from attnspace.workers.pool import Crew
from attnspace.workers.sizing import gather

__all__ = ["Outcome", "Search", "search", "threads"]

DRAWS = 2_000
WAITING = 64
"""Checkpoints that may wait before those that will hardly be promoted are dropped."""


@dataclass(frozen=True)
class Outcome:
    """What one sitting of a search did.

    Attributes:
        evaluations: rows written in this sitting.
        epochs: trained in this sitting.
        training_s: seconds in training loops, of each worker in the mean.
        exhausted: whether the space had no further design.
    """

    evaluations: int
    epochs: int
    training_s: float
    exhausted: bool


def search(study: Study, ledger: Ledger, watcher: Watcher, checkpoints: Checkpoints | None = None) -> Outcome:
    """Evaluate what is still missing: baselines, then trials up to the number asked for, and their promotions.

    Raises:
        StudyError: it asks for a device that is not there, or names a training loop that cannot be imported.
        RunFailed: the ledger or a checkpoint cannot be written, or workers cannot begin.
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
        config = study.config
        goals = config.objective.goals
        self._suggester = Suggester(
            study.space, config.search.sampler, config.search.seed, [goal.direction for goal in goals]
        )
        self._standing = Standing(study, self._suggester)
        self._exhausted = False

    def run(self) -> Outcome:
        """Hand out job after job, and take in their rows, until nothing is left to do."""
        earlier = [row for row in self._ledger.rows() if (row.recipe, row.phase) == (self._study.recipe, "search")]
        for row in earlier:
            self._standing.add(row)
        self._watcher.begin(self._study, earlier)
        job = self._next(busy=False)
        if job is None:  # no crew is needed
            return Outcome(0, 0, 0.0, self._exhausted)
        with gather(self._study, self._checkpoints, self._watcher.epoch_ends, self._watcher.note) as crew:
            outcome = self._with(crew, job)
        self._checkpoints.clear()
        return outcome

    def _with(self, crew: Crew, job: Job | None) -> Outcome:
        evaluations, epochs, training_s = 0, 0, 0.0
        while job is not None or crew.busy:
            while job is not None:
                self._standing.begin(job)
                self._watcher.design_begins(job)
                crew.start(self._appraisal.priced(job))
                job = self._next(busy=True) if crew.busy < crew.size else None
            done, row = crew.finish()
            self._take_in(done, row)
            evaluations += 1
            epochs += max(0, len(row.history) - done.since)
            training_s += row.train_s
            job = self._next(busy=crew.busy > 0)
        return Outcome(evaluations, epochs, training_s / crew.size, self._exhausted)

    def _next(self, *, busy: bool) -> Job | None:
        """What is done next; None if nothing is, or not before something else has ended."""
        study, standing = self._study, self._standing
        for baseline in study.baselines:
            if baseline.identity not in standing.seen:
                return Job(baseline, study.seed(), 0, study.epochs)
        promotion = standing.halving.promotion()
        if promotion is None and standing.trials < study.config.search.trials and not self._exhausted:
            job = self._new()
            self._exhausted = job is None
            if job is not None:
                return job
        # A small search may end before its rungs let anyone through: one design is trained to the end all the same.
        if promotion is None and not busy:
            promotion = standing.halving.leader()
        if promotion is None:
            return None
        key, rung = promotion
        since, until = study.rungs[rung - 1], study.rungs[rung]
        return Job(standing.design(key), key.seed, since, until, standing.number(key))

    def _take_in(self, job: Job, row: Evaluation) -> None:
        self._ledger.add(row)
        self._standing.add(row, job.design)
        if job.since:
            self._checkpoints.drop(row.design, row.seed, job.since)
        self._drop_hopeless()
        self._watcher.design_ends(row)

    def _drop_hopeless(self) -> None:
        """Keep the disk small: those far from a promotion would train from the start, should it come to that."""
        rungs, factor = self._study.rungs, self._standing.halving.factor
        if self._checkpoints.count() > WAITING * len(rungs):
            self._checkpoints.keep(
                {
                    Checkpoints.name(key.design, key.seed, epochs)
                    for rung, epochs in enumerate(rungs)
                    for key in (*self._standing.halving.waiting(rung, 1.5 / factor), *self._standing.under_way())
                }
            )

    def _new(self) -> Job | None:
        """The next trial: a suggested design that is new, or a further seed of one that is promising; else one within
        the limits near to what was suggested; else one drawn at random, or the next one in order.

        Returns:
            None if the space holds no further design, or none that 2,000 draws from a large one found.
        """
        study, standing = self._study, self._standing
        number, suggester = standing.next_number(), self._suggester
        rng = random.Random(f"{study.config.search.seed}/{number}")
        heavy: Filling | None = None
        standing.refresh()
        for attempt in range(suggester.attempts):
            filling = suggester.ask(number, attempt)
            job = self._job(filling, number, repeat=not suggester.is_exhaustive)
            if job is not None:
                return job
            if heavy is None and self._appraisal.excesses_of(filling):
                heavy = filling
        repaired = self._appraisal.repaired(heavy, rng) if heavy else None
        if repaired is not None and (job := self._job(repaired, number)) is not None:
            return job
        small = study.space.size() <= DRAWS
        order = rng.sample(range(int(study.space.size())), int(study.space.size())) if small else None
        fillings = map(study.space.at, order) if order else (study.space.sample(rng) for _ in range(DRAWS))
        return next((job for filling in fillings if (job := self._job(filling, number)) is not None), None)

    def _job(self, filling: Filling, number: int, *, repeat: bool = False) -> Job | None:
        study, standing = self._study, self._standing
        try:
            design = study.design(filling)
        except (SpecError, PlacementError):
            return None  # holes are filled independently, and not every combination is a valid block
        if design.identity in standing.seen:
            seed = standing.further_seed(design.identity) if repeat else None
            return None if seed is None else Job(design, seed, 0, study.epochs, number)
        if study.table and study.table.find(design.identity, study.seed()) is None:
            return None
        if self._appraisal.excesses(design):
            return None
        return Job(design, study.seed(), 0, study.rungs[0], number)
