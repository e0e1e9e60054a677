"""What one does with a study from beginning to end: search, confirm. The command line and notebooks call this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attnspace.analysis.handed_over import kept_designs
from attnspace.analysis.verdict import Confirmation, confirmation
from attnspace.confirm.confirm import confirm
from attnspace.confirm.recipe_check import check_recipe
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.ledger import Ledger
from attnspace.record.results import Results, load
from attnspace.record.weights import WEIGHTS, KeptWeights
from attnspace.report.run import report_run
from attnspace.search.feasibility import Feasibility
from attnspace.search.progress import Watcher
from attnspace.search.search import Sitting, search
from attnspace.study.loading import at_rate, prepare, prepare_run
from attnspace.study.run_directory import RunDirectory
from attnspace.study.study import Study
from attnspace.workers.threads import threads

__all__ = [
    "Searched",
    "Stopped",
    "check_ready",
    "confirm_run",
    "confirm_study",
    "run_study",
    "usual_directory",
]


@dataclass(frozen=True)
class Searched:
    """What a search came to.

    Attributes:
        path: the run directory, which holds the report, the table and the winner.
        sitting: what was done this time.
        results: the run as tables, with what was done before.
    """

    path: Path
    sitting: Sitting
    results: Results


class Stopped(KeyboardInterrupt):
    """Ctrl-C. What was finished is kept, and the same call goes on from there.

    Attributes:
        kept: how many evaluations are on record.
    """

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept


def run_study(study: Study | str | Path, run: str | Path | None = None, watcher: Watcher | None = None) -> Searched:
    """Search, and write report, table and winner. The same call goes on where an earlier one was stopped.

    Args:
        study: the study, or the path of its file.
        run: the run directory; by default `runs/NAME` where the process is.
        watcher: hears of every step; by default nobody does.

    Raises:
        AttnspaceError: the study is not possible, or the directory is another study's.
        RunFailed: the search could not be finished; what was finished before is kept.
        Stopped: Ctrl-C.
    """
    ready = study if isinstance(study, Study) else prepare(study)
    place = RunDirectory(usual_directory(ready) if run is None else Path(run))
    place.check(ready)
    watcher = watcher or Watcher()
    if not place.ledger_file.exists():  # a search that was begun has met its limits
        for note in check_ready(ready):
            watcher.warn(note)
    with place.opened(ready), _ledger(place, watcher) as ledger:
        sitting = search(ready, ledger, watcher, Checkpoints(place.checkpoint_folder))
        results = report_run(place.path)
    return Searched(place.path, sitting, results)


def check_ready(study: Study) -> tuple[str, ...]:
    """See to it that the search can begin: some design meets the study's limits, and networks can be run and trained.

    Returns:
        what the user should know, in sentences.

    Raises:
        AttnspaceError: it cannot.
    """
    with threads(study.config.search.threads):
        feasibility = Feasibility(study)
        feasibility.require_feasible()
        return feasibility.rehearse()


def confirm_run(
    run: str | Path,
    watcher: Watcher | None = None,
    *,
    top: int | None = None,
    seeds: int | None = None,
    again: bool = False,
    recipe_check: bool = False,
) -> Confirmation:
    """Train the best designs, the baselines and two controls on fresh seeds, test them once, and recommend one.

    Args:
        run: the run directory of a finished search.
        watcher: hears of every step; by default nobody does.
        top: how many of the best designs; by default as planned before, else as the study says.
        seeds: how many fresh seeds at most, alike.
        again: whether a new confirmation begins, on seeds that the earlier ones did not have.
        recipe_check: whether the confirmed best, the best baseline and the plain network are trained at a third and at
            three times the learning rate, too.

    Raises:
        AttnspaceError: it is no run, or its study is not possible any more.
        RunFailed: it could not be finished; what was finished before is kept.
        Stopped: Ctrl-C.
    """
    study = prepare_run(Path(run))
    return confirm_study(study, run, watcher, top=top, seeds=seeds, again=again, recipe_check=recipe_check)


def confirm_study(
    study: Study,
    run: str | Path,
    watcher: Watcher | None = None,
    *,
    top: int | None = None,
    seeds: int | None = None,
    again: bool = False,
    recipe_check: bool = False,
) -> Confirmation:
    """`confirm_run` of a study that is read."""
    place = RunDirectory(Path(run))
    if recipe_check:
        at_rate(study, 1.0)  # a training without a learning rate is refused before anything is trained
    watcher = watcher or Watcher()
    with place.opened(study), _ledger(place, watcher) as ledger:
        confirm(study, load(place.path), ledger, watcher, top=top, seeds=seeds, again=again)
        _settle_weights(load(place.path), watcher)
        results = report_run(place.path)
        if recipe_check:
            check_recipe(study, results, ledger, watcher)
            results = report_run(place.path)
        found = confirmation(results)
    assert found is not None
    return found


def _settle_weights(results: Results, watcher: Watcher) -> None:
    """Keep the weights of the networks that may be asked for, and say of which there are none, and why."""
    designs, rows = kept_designs(results), results.confirmed()
    for name in KeptWeights(results.path / WEIGHTS).settle(designs):
        told = [how["weights"] for how in rows.loc[rows["design"] == designs[name], "environment"] if "weights" in how]
        why = told[-1] if told else "are not kept: its trainings failed, or an earlier version of attnspace made them"
        watcher.warn(f"the weights of the network {name!r} {why}")


def usual_directory(study: Study) -> Path:
    """Where a study's run is kept unless something else is said."""
    return Path("runs") / study.config.name


@contextmanager
def _ledger(place: RunDirectory, watcher: Watcher) -> Iterator[Ledger]:
    """The ledger of a run; Ctrl-C says how much of it is kept."""
    ledger = Ledger(place.ledger_file, watcher.warn)
    try:
        yield ledger
    except KeyboardInterrupt:
        raise Stopped(len(ledger.rows())) from None
    finally:
        ledger.close()
