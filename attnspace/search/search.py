"""The search: baselines first, then promotions and new designs, each row written to the ledger as it ends.

With one worker, what comes next depends on the ledger alone, so that a search that was killed goes on as if it had not
been. With several it depends on who ends first, too.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from attnspace.errors import PlacementError, RunError, SpecError
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation, Outcome, Phase, Role
from attnspace.record.ledger import Ledger
from attnspace.search.common_fault import CommonFault
from attnspace.search.feasibility import Feasibility
from attnspace.search.progress import Watcher
from attnspace.search.state import SearchState
from attnspace.search.suggester import Suggester
from attnspace.space.space import Filling
from attnspace.study.study import Study
from attnspace.workers.job import Job, differs
from attnspace.workers.pool import WorkerPool
from attnspace.workers.sizing import open_pool
from attnspace.workers.threads import threads

__all__ = ["Search", "Sitting", "search"]

DRAWS = 2_000
CHECKED = 50
"""Designs on record of which it is checked that they are the same networks today."""
WAITING = 64
"""Checkpoints that may wait before those that will hardly be promoted are dropped."""


@dataclass(frozen=True)
class Sitting:
    """What one sitting of a search did: from the start of the process to its end, or to Ctrl-C.

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


def search(study: Study, ledger: Ledger, watcher: Watcher, checkpoints: Checkpoints | None = None) -> Sitting:
    """Evaluate what is still missing: baselines, then trials up to the number asked for, and their promotions.

    Raises:
        StudyError: it asks for a device that is not there, names a training loop that cannot be imported, or all
            networks fail alike.
        RunError: the ledger's designs wait on other rungs, or are other networks, than those of the study today.
        RunFailed: the ledger or a checkpoint cannot be written, or workers cannot begin.
    """
    with threads(study.config.search.threads):
        return Search(study, ledger, watcher, checkpoints or Checkpoints(None)).run()


class Search:
    """One sitting of a search."""

    def __init__(self, study: Study, ledger: Ledger, watcher: Watcher, checkpoints: Checkpoints) -> None:
        self._study = study
        self._ledger = ledger
        self._watcher = watcher
        self._checkpoints = checkpoints
        self._feasibility = Feasibility(study, ledger)
        config = study.config
        goals = config.objective.goals
        self._suggester = Suggester(
            study.space,
            config.sampler,
            config.search.seed,
            [goal.direction for goal in goals],
            goals.index(config.objective.primary),
        )
        self._state = SearchState(study, self._suggester)
        self._exhausted = False
        self._passed: set[int] = set()

    def run(self) -> Sitting:
        """Hand out job after job, and take in their rows, until nothing is left to do."""
        study = self._study
        earlier = [
            row
            for row in self._ledger.rows()
            if (row.protocol, row.phase) == (study.protocol, Phase.SEARCH) and row.seed in study.seeds
        ]
        self._check_rungs(earlier)
        self._state.recall(earlier)
        self._check_same(earlier)
        self._common_fault = CommonFault(study.plain.identity, study.file, begun=bool(earlier))
        self._feasibility.recall(earlier)
        self._watcher.begin(study, earlier)
        job = self._next(busy=False)
        if job is None:  # no worker is needed
            return Sitting(0, 0, 0.0, self._exhausted)
        if other := differs(earlier):
            self._watcher.warn(other)
        watcher = self._watcher
        with open_pool(study, self._checkpoints, watcher.epoch_ends, watcher.note, self._ledger) as pool:
            sitting = self._with(pool, job)
        self._checkpoints.clear()
        return sitting

    def _check_rungs(self, earlier: Sequence[Evaluation]) -> None:
        """Check that designs on record stand on rungs of the study: where it does not name them, versions may differ.

        Raises:
            RunError: one does not.
        """
        rungs = sorted({rung.epochs for rung in self._study.rungs})
        trials = [row for row in earlier if row.role == Role.TRIAL and row.seed == self._study.seeds[0]]
        stops = {row.epochs for row in trials if row.outcome != Outcome.DONE}
        if stops - set(rungs):
            raise RunError(
                f"was begun with other rungs: its designs were stopped at epochs {sorted(stops)}",
                file=self._study.file,
                got=rungs,
                remedy=f"write search.rungs.first: {min(stops)}, here and in the study.yaml of the run",
            )

    def _check_same(self, earlier: Sequence[Evaluation]) -> None:
        """Check that designs on record are the networks that they were, by some of those that may be others.

        Raises:
            RunError: one is not.
        """
        told = (row for row in earlier if row.role == Role.TRIAL and _may_change(row.spec))
        for row in islice(told, CHECKED):
            self._study.recorded_design(row.spec, row.choices, row.design)

    def _with(self, pool: WorkerPool, job: Job | None) -> Sitting:
        evaluations, epochs, training_s = 0, 0, 0.0
        while job is not None or pool.busy:
            while job is not None:
                self._state.begin(job)
                self._watcher.design_begins(job)
                pool.submit(self._feasibility.with_costs(job))
                job = self._next(busy=True) if pool.busy < pool.size else None
            done, row = pool.next_result()
            self._take_in(done, row)
            evaluations += 1
            epochs += max(0, len(row.history) - done.since)
            training_s += row.train_s
            job = self._next(busy=pool.busy > 0)
        self._record(self._common_fault.rest())
        return Sitting(evaluations, epochs, training_s / pool.size, self._exhausted)

    def _next(self, *, busy: bool) -> Job | None:
        """The job that comes next; None if there is none, or none before another has ended."""
        study, state = self._study, self._state
        for baseline in study.baselines:
            if baseline.identity not in state.seen:
                return Job(baseline, study.seeds[0], 0, study.epochs)
        job = self._further_seed() or self._promoted(state.halving.promotion())
        if job is None and state.trials < study.config.search.trials and not self._exhausted:
            job = self._new()
            self._exhausted = job is None
        # A small search may end before its rungs let anyone through: one design climbs them all the same.
        if job is None and not busy:
            job = self._promoted(state.halving.leader())
        return job

    def _promoted(self, promotion: tuple[str, int] | None) -> Job | None:
        """What takes a design to the rung that it may go on to."""
        if promotion is None:
            return None
        identity, rung = promotion
        study, state = self._study, self._state
        since, until = study.rungs[rung - 1], study.rungs[rung]
        if until.seeds == 1:
            design = state.design(identity)
            return Job(design, study.seeds[0], since.epochs, until.epochs, state.number(identity))
        state.climb(identity, rung)
        return self._further_seed()

    def _further_seed(self) -> Job | None:
        """The next training of a design that goes on in seeds."""
        found = self._state.next_seed()
        if found is None:
            return None
        identity, seed = found
        return Job(self._state.design(identity), seed, 0, self._study.epochs, self._state.number(identity))

    def _take_in(self, job: Job, row: Evaluation) -> None:
        self._record(self._common_fault.sift(row))
        self._state.add(row, job.design)
        if job.since:
            self._checkpoints.drop(row.design, row.seed, job.since)
        self._drop_hopeless()

    def _record(self, rows: Sequence[Evaluation]) -> None:
        for row in rows:
            self._ledger.add(row)
            self._watcher.design_ends(row)

    def _drop_hopeless(self) -> None:
        """Keep the disk small: those far from a promotion would train from the start, should it come to that."""
        rungs, factor, seed = self._study.rungs, self._state.halving.factor, self._study.seeds[0]
        waits = [(number, rung.epochs) for number, rung in enumerate(rungs) if rung.epochs < self._study.epochs]
        if self._checkpoints.count() > WAITING * len(waits):
            self._checkpoints.keep(
                {
                    Checkpoints.name(design, seed, epochs)
                    for number, epochs in waits
                    for design in (*self._state.halving.waiting(number, 1.5 / factor), *self._state.under_way())
                }
            )

    def _new(self) -> Job | None:
        """The next trial: a suggested design that is new; else one within the limits near to what was suggested; else
        one drawn at random, or the next one in order.

        Returns:
            None if the space holds no further design, or none that 2,000 draws from a large one found.
        """
        study, state = self._study, self._state
        number, suggester = state.next_number(), self._suggester
        rng = random.Random(f"{study.config.search.seed}/{number}")
        heavy: Filling | None = None
        state.refresh()
        for attempt in range(suggester.attempts):
            filling = suggester.ask(number, attempt)
            job = self._job(filling, number)
            if job is not None:
                return job
            if heavy is None and self._feasibility.excesses_of(filling):
                heavy = filling
        repaired = self._feasibility.repaired(heavy, rng) if heavy else None
        if repaired is not None and (job := self._job(repaired, number)) is not None:
            return job
        small = study.space.size() <= DRAWS
        order = rng.sample(range(int(study.space.size())), int(study.space.size())) if small else None
        fillings = map(study.space.at, order) if order else (study.space.sample(rng) for _ in range(DRAWS))
        return next((job for filling in fillings if (job := self._job(filling, number)) is not None), None)

    def _first_stop(self) -> int:
        """Until where a new design is trained; say so the first time that it is past a rung."""
        until, end = self._state.first_stop(), self._study.epochs
        for epochs in sorted({rung.epochs for rung in self._study.rungs if rung.epochs < until} - self._passed):
            self._passed.add(epochs)
            self._watcher.note(
                f"new designs are trained past epoch {epochs} while what designs reach there hardly tells what they "
                f"reach at epoch {end}, as it does now"
            )
        return until

    def _job(self, filling: Filling, number: int) -> Job | None:
        study, state = self._study, self._state
        try:
            design = study.design(filling)
        except (SpecError, PlacementError):
            return None  # holes are filled independently, and not every combination is a valid block
        if design.identity in state.seen or not study.method.holds(design.identity, study.seeds[0]):
            return None
        if not self._feasibility.allows(design):
            return None
        return Job(design, study.seeds[0], 0, self._first_stop(), number)


def _may_change(spec: Mapping[str, Any]) -> bool:
    """Whether a design depends on the numbers of stages or on where each begins, or begins as the identity, which was
    read in another way by earlier versions.
    """
    placement = spec["placement"]
    staged = bool(placement.get("stages")) or placement.get("every", 1) > 1 or "per_stage" in spec["block"]
    return staged or placement.get("start") == "identity" or "'rezero'" in str(spec["block"])
