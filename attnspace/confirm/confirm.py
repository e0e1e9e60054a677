"""The confirmation of a finished search: its best designs, the baselines and two controls on fresh, paired seeds.

Only here are test images looked at: once by each network, after its training.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from attnspace.confirm.controls import constant, matched
from attnspace.errors import RunError, RunFailed
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Outcome, Phase, Role
from attnspace.record.ledger import Ledger
from attnspace.record.results import Results
from attnspace.record.weights import WEIGHTS, KeptWeights
from attnspace.search.feasibility import Feasibility
from attnspace.search.progress import Watcher
from attnspace.study.design import Design
from attnspace.study.study import Study
from attnspace.workers.job import Job
from attnspace.workers.sizing import open_pool
from attnspace.workers.threads import threads

__all__ = ["FRESH", "chosen", "confirm"]

FRESH = 1_000_000
"""Seeds of a confirmation begin so far above the search's."""


def confirm(study: Study, results: Results, ledger: Ledger, watcher: Watcher, *, top: int, seeds: int) -> int:
    """Train what is still missing of a confirmation, one seed of all designs after the other.

    Returns:
        how many networks were trained.

    Raises:
        RunError: the search has no finished trial.
        RunFailed: the ledger cannot be written.
    """
    designs = chosen(study, results, top)
    feasibility = Feasibility(study, ledger)
    have = {
        (row.design, row.seed) for row in ledger.rows() if row.phase == Phase.CONFIRM and row.protocol == study.protocol
    }
    wanted = [(design, study.seed(FRESH + i)) for i in range(seeds) for design in designs]
    missing = [(design, seed) for design, seed in wanted if (design.identity, seed) not in have]
    watcher.begin_confirmation(study, len(designs), seeds, len(wanted) - len(missing))
    if not missing:
        return 0
    weights = KeptWeights(results.path / WEIGHTS)
    weights.begin()
    failures: list[str | None] = []
    jobs = deque(Job(design, seed, 0, study.epochs, phase=Phase.CONFIRM) for design, seed in missing)
    with (
        threads(study.config.search.threads),
        open_pool(study, Checkpoints(None), watcher.epoch_ends, watcher.note) as pool,
    ):
        while jobs or pool.busy:
            while jobs and pool.busy < pool.size:
                job = jobs.popleft()
                job = replace(job, keep=weights.wanted_for(job.design.identity))  # of its first seed that ends
                watcher.design_begins(job)
                pool.submit(feasibility.with_costs(job))
            _, row = pool.next_result()
            ledger.add(row)
            watcher.design_ends(row)
            failures = [*failures, row.reason] if row.outcome == Outcome.FAILED else []
            if len(failures) == len(designs):
                raise RunFailed(
                    f"the last {len(designs)} trainings all failed: {failures[-1]}",
                    file=str(results.path),
                    remedy="mend the cause; failed trainings of a confirmation are kept as failed",
                )
    return len(missing)


def chosen(study: Study, results: Results, top: int) -> list[Design]:
    """What is confirmed: the best designs of the search, every baseline, and the controls of the best.

    Raises:
        RunError: the search has no finished trial.
    """
    ranked = results.ranked()
    trials = ranked[ranked["role"] == Role.TRIAL].head(top)
    if trials.empty:
        raise RunError("has no finished trial to confirm", file=str(results.path), remedy="search first")
    best = [study.recorded_design(row["spec"], row["choices"], row["design"]) for _, row in trials.iterrows()]
    designs = [*best, *study.baselines]
    for control in (matched(study, best[0]), constant(study, best[0])):
        if control is not None and control.identity not in {design.identity for design in designs}:
            designs.append(control)
    return designs
