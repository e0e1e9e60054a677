"""Is it the recipe? The confirmed best, the best baseline and the plain network at other learning rates.

The sign of a block's effect may change with the recipe: timm's result tables give SE in ResNet-50 -0.37, +0.27 and
-1.02 points under the recipes A1, A2 and A3 (one seed each). So three designs are trained again at a third and at three
times the learning rate, the same for all, under a few seeds of the confirmation. Test images are not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from attnspace.analysis.recipe_order import RATE
from attnspace.analysis.verdict import Confirmation, confirmation
from attnspace.errors import RunError
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Phase
from attnspace.record.ledger import Ledger
from attnspace.record.results import Results
from attnspace.search.feasibility import Feasibility
from attnspace.search.progress import Watcher
from attnspace.study.design import Design
from attnspace.study.loading import at_rate
from attnspace.study.study import Study
from attnspace.workers.job import Job
from attnspace.workers.sizing import open_pool
from attnspace.workers.threads import threads

__all__ = ["FACTORS", "SEEDS", "check_recipe"]

FACTORS = (1 / 3, 3.0)
SEEDS = 4


def check_recipe(study: Study, results: Results, ledger: Ledger, watcher: Watcher) -> int:
    """Train what is still missing of the check.

    Returns:
        how many networks were trained.

    Raises:
        RunError: the confirmation has not ended, or none of its designs has a score.
        StudyError: the training has no learning rate.
        RunFailed: the ledger cannot be written.
    """
    plan, found = results.plan, confirmation(results)
    if plan is None or found is None or not found.ended or None in (found.decision.best, found.decision.rival):
        raise RunError(
            "has no confirmation that has ended, whose recipe could be checked",
            file=str(results.path),
            remedy=f"give first: attnspace confirm {results.path}",
        )
    designs = _designs(study, found)
    seeds = plan.seeds[: min(SEEDS, found.looked)]
    rates = [at_rate(study, factor) for factor in FACTORS]
    many = f"{len(designs)} designs, {len(seeds)} seeds each"
    watcher.note(f"recipe check: {many}, at a third and at three times the learning rate")
    trained = 0
    with threads(study.config.search.threads):
        for other in rates:
            have = {(row.design, row.seed) for row in ledger.rows() if row.protocol == other.protocol}
            jobs = [
                Job(design, seed, 0, other.epochs, phase=Phase.RECIPE, split=seed if plan.splits == "fresh" else None)
                for seed in seeds
                for design in designs
                if (design.identity, seed) not in have
            ]
            trained += len(jobs)
            if jobs:
                _train(other, jobs, ledger, watcher)
    return trained


def _train(study: Study, jobs: Sequence[Job], ledger: Ledger, watcher: Watcher) -> None:
    feasibility = Feasibility(study, ledger)

    def begun(job: Job) -> Job:
        watcher.design_begins(job)
        return feasibility.with_costs(job)

    with open_pool(study, Checkpoints(None), watcher.epoch_ends, watcher.note, ledger) as pool:
        for _, row in pool.worked_off(jobs, begun):
            row.environment[RATE] = repr(getattr(study.config.train, "lr", None))
            ledger.add(row)
            watcher.design_ends(row)


def _designs(study: Study, found: Confirmation) -> list[Design]:
    """The plain network, the best baseline and the confirmed best, each once."""
    baselines = {design.identity: design for design in study.baselines}
    rival, best = (found.identities[str(name)] for name in (found.decision.rival, found.decision.best))
    chosen = [study.plain, baselines[rival], study.recorded_design(found.specs[best], {}, best)]
    return list({design.identity: design for design in chosen}.values())
