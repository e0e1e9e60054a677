"""The confirmation of a finished search: its best designs, the baselines and two controls on fresh, paired seeds.

It goes from look to look of its plan, and ends where the recommendation is settled. Then the controls of the confirmed
best design are trained under the same seeds, unless something else is recommended in its place, or the seeds are too
few to claim anything. What comes next depends on the ledger alone, so that a confirmation that was killed goes on as if
it had not been.

Only here are test images looked at: once by each network, after its training.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from attnspace.analysis.significance import FEWEST
from attnspace.analysis.verdict import Confirmation, confirmation
from attnspace.confirm.controls import constant, matched
from attnspace.confirm.planning import FRESH, planned
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation, Outcome, Phase
from attnspace.record.ledger import Ledger
from attnspace.record.plan import ConfirmationPlan
from attnspace.record.results import Results, load
from attnspace.record.weights import WEIGHTS, KeptWeights
from attnspace.search.common_fault import CommonFault
from attnspace.search.feasibility import Feasibility
from attnspace.search.progress import Watcher
from attnspace.study.design import Design
from attnspace.study.study import Study
from attnspace.workers.job import Job, differs
from attnspace.workers.pool import WorkerPool
from attnspace.workers.sizing import open_pool
from attnspace.workers.threads import threads

__all__ = ["FRESH", "confirm", "controls_of"]


def confirm(
    study: Study,
    results: Results,
    ledger: Ledger,
    watcher: Watcher,
    *,
    top: int | None = None,
    seeds: int | None = None,
    again: bool = False,
) -> int:
    """Train what is still missing of a confirmation, look by look, one seed of all designs after the other.

    Args:
        study: whose designs.
        results: the run, with a finished search.
        ledger: of the run.
        watcher: hears of every step.
        top: how many of the best designs; by default as planned before, else as the study says.
        seeds: how many fresh seeds at most, alike.
        again: whether a new confirmation begins, on seeds that nobody has looked at.

    Returns:
        how many networks were trained.

    Raises:
        RunError: the search has no finished trial, or another plan is asked for after a look.
        StudyError: all networks fail alike; then none of these failures is on record.
        RunFailed: the ledger cannot be written.
    """
    plan = planned(study, results, ledger, watcher.warn, top=top, seeds=seeds, again=again)
    with ExitStack() as stack:
        stack.enter_context(threads(study.config.search.threads))
        return _Sitting(study, results, ledger, watcher, plan, stack).run()


class _Sitting:
    """One sitting of a confirmation."""

    def __init__(
        self,
        study: Study,
        results: Results,
        ledger: Ledger,
        watcher: Watcher,
        plan: ConfirmationPlan,
        stack: ExitStack,
    ) -> None:
        self._study, self._ledger, self._watcher, self._plan = study, ledger, watcher, plan
        self._path = results.path
        self._weights = KeptWeights(results.path / WEIGHTS)
        self._stack = stack
        self._pool: WorkerPool | None = None
        self._feasibility = Feasibility(study, ledger)
        self._have = {
            (row.design, row.seed): row.outcome
            for row in ledger.rows()
            if row.phase == Phase.CONFIRM and row.protocol == study.protocol
        }

    def run(self) -> int:
        """Go from look to look, then to the controls; the number of networks that were trained."""
        plan, study = self._plan, self._study
        tops = [study.recorded_design(row["spec"], row["choices"], row["design"]) for row in plan.designs]
        designs = [*study.baselines, *tops]  # the plain network first: a fault of all of them is seen at once
        wanted = {(design.identity, seed) for design in designs for seed in plan.seeds}
        self._watcher.begin_confirmation(study, len(designs), len(plan.seeds), len(wanted & self._have.keys()))
        trained = 0
        for look in plan.looks:
            trained += self._train(self._missing(designs, plan.seeds[:look]))
            found = self._standing()
            if trained:
                settled = "that settles it" if found.ended and look < plan.looks[-1] else "not settled yet"
                said = settled if look < plan.looks[-1] else "that was the last look"
                self._watcher.note(f"results of {look} seeds have been looked at: {said}")
            if found.ended:
                break
        if found.decision.best is not None and found.decision.outcome != "keep" and found.looked >= FEWEST:
            best = self._design_of(found.decision.best, found, tops)
            extra = [one for one in controls_of(study, best) if one.identity not in {d.identity for d in designs}]
            jobs = self._missing(extra, plan.seeds[: found.looked])
            self._watcher.more(len(jobs))
            trained += self._train(jobs)
        return trained

    def _standing(self) -> Confirmation:
        found = confirmation(load(self._path))
        assert found is not None
        return found

    def _design_of(self, name: str, found: Confirmation, tops: Sequence[Design]) -> Design:
        return next(design for design in tops if design.identity == found.identities[name])

    def _missing(self, designs: Sequence[Design], seeds: Sequence[int]) -> list[Job]:
        """The trainings of these designs under these seeds that are not on record."""
        split = self._plan.splits == "fresh"
        return [
            Job(design, seed, 0, self._study.epochs, phase=Phase.CONFIRM, split=seed if split else None)
            for seed in seeds
            for design in designs
            if (design.identity, seed) not in self._have
        ]

    def _train(self, jobs: Sequence[Job]) -> int:
        """Train networks, and return how many."""
        if not jobs:
            return 0
        faults = {seed: self._fault(seed) for seed in dict.fromkeys(job.seed for job in jobs)}
        for job, row in self._opened().worked_off(jobs, self._begun):
            for known in faults[job.seed].sift(row):
                self._record(known)
        for fault in faults.values():
            for known in fault.rest():
                self._record(known)
        return len(jobs)

    def _begun(self, job: Job) -> Job:
        """A job that is about to be trained, with its costs, and where its weights are kept unless they are there."""
        self._watcher.design_begins(job)
        keep = self._weights.wanted_for(job.design.identity, self._plan.seeds)
        return self._feasibility.with_costs(replace(job, keep=keep))

    def _record(self, row: Evaluation) -> None:
        self._ledger.add(row)
        self._have[row.design, row.seed] = row.outcome
        self._watcher.design_ends(row)

    def _fault(self, seed: int) -> CommonFault:
        """What ends the confirmation if all networks fail alike under a seed of which nothing is trained yet."""
        begun = any(known == seed and outcome != Outcome.FAILED for (_, known), outcome in self._have.items())
        return CommonFault(self._study.plain.identity, self._study.file, begun=begun)

    def _opened(self) -> WorkerPool:
        if self._pool is None:
            watcher = self._watcher
            self._weights.begin()
            if other := differs(self._ledger.rows()):
                watcher.warn(other)
            pool = open_pool(self._study, Checkpoints(None), watcher.epoch_ends, watcher.note, self._ledger)
            self._pool = self._stack.enter_context(pool)
        return self._pool


def controls_of(study: Study, design: Design) -> list[Design]:
    """The controls of a design: the plain backbone with as many parameters, and the design with constant gates."""
    found = (matched(study, design), constant(study, design))
    return [control for control in found if control is not None]
