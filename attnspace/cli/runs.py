"""Commands on studies and their runs: search, confirm, report, migrate."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnspace.cli.application import (
    STARTED,
    DataOption,
    SettingsOption,
    app,
    command_line,
    import_torch,
    stoppable,
)
from attnspace.errors import RunError, RunFailed

if TYPE_CHECKING:
    from rich.console import Console

    from attnspace.data import Dataset
    from attnspace.study.study import Study
    from attnspace.workflow import Searched

__all__ = ["confirm", "migrate", "report", "search"]

RunOption = Annotated[Path | None, typer.Option("--run", help="Run directory; by default runs/NAME.")]


@app.command()
def search(
    study: Annotated[Path, typer.Argument(help="The study, a YAML file.")],
    run_: RunOption = None,
    data: DataOption = None,
    settings: SettingsOption = None,
) -> None:
    """Search, and write the report. The same command goes on where an earlier one was stopped."""
    _check_is_no_run(study)
    import_torch()
    from attnspace.cli.tables import summary_table, terminal
    from attnspace.data import progress_bar
    from attnspace.search.progress import watcher_for
    from attnspace.study.loading import prepare
    from attnspace.workflow import run_study

    console = terminal()
    with stoppable(command_line("search", (study,), ("--run", run_), ("--data", data), ("--settings", settings))):
        with progress_bar() as watch:
            prepared = prepare(study, settings=settings, data_folder=data, watch=watch)
        _print_images(console, prepared.data, prepared.notes)
        with watcher_for(console) as watcher:
            found = run_study(prepared, run_, watcher)
    console.print(summary_table(found.results))
    _print_searched(console, prepared, found)
    if found.results.ranked().empty:
        raise RunFailed("every evaluation failed", file=str(found.path), remedy="see the reasons in its report.html")
    can_confirm = prepared.config.train.can_confirm and found.results.confirmed().empty
    if can_confirm and found.results.winner() is not None:
        next_one = shlex.join(["attnspace", "confirm", str(found.path)])
        console.print(f"is the gain real? {next_one}", markup=False, highlight=False, soft_wrap=True)


def _check_is_no_run(study: Path) -> None:
    """Refuse a run directory where a study file is wanted, saying how its search goes on."""
    if study.is_dir():
        from attnspace.record.kept import require_ledger

        require_ledger(study, "a search that goes on")
    if (study / "study.yaml").is_file():
        again = shlex.join(["attnspace", "search", str(study / "study.yaml"), "--run", str(study)])
        raise RunError(
            "is the directory of a run", file=str(study), allowed="a study file", remedy=f"to go on with it: {again}"
        )


def _print_searched(console: Console, study: Study, found: Searched) -> None:
    """What a search came to besides its table: an exhausted space, time, and where the report is."""
    from attnspace.record.evaluation import Role

    sitting, config = found.sitting, study.config
    if sitting.exhausted:
        searched = found.results.searched
        trials = searched.loc[searched["role"] == Role.TRIAL, "design"].unique()
        limited = " within the limits" if config.objective.subject_to.names else ""
        console.print(f"The space holds no further design{limited}: {len(trials)} of {config.search.trials} trials.")
    if sitting.evaluations:
        total = time.perf_counter() - STARTED
        outside = total - sitting.training_s
        console.print(
            f"{total:.0f} s in all, {sitting.training_s:.0f} s of it training {sitting.epochs} epochs; "
            f"{outside:.1f} s ({outside / total:.1%}) for everything else",
            highlight=False,
        )
    _print_report(console, found.path)


@app.command()
def confirm(
    run_: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory of a finished search.")],
    top: Annotated[int | None, typer.Option(min=1, max=64, help="How many of the best designs.")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, max=1000, help="Fresh seeds of each, at most.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Begin a new confirmation, on other fresh seeds.")] = False,
    recipe_check: Annotated[
        bool, typer.Option("--recipe-check", help="Train three designs at other learning rates, too.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Train the best designs, the baselines and two controls on fresh seeds, test them once, and recommend one."""
    import_torch()
    from attnspace.cli.tables import confirmation_table, terminal
    from attnspace.data import progress_bar
    from attnspace.record.weights import WEIGHTS
    from attnspace.search.progress import watcher_for
    from attnspace.study.loading import prepare_run
    from attnspace.workflow import confirm_study

    console = terminal()
    given = (("--top", top), ("--seeds", seeds), ("--recipe-check", recipe_check), ("--data", data))
    with stoppable(command_line("confirm", (run_,), *given)):  # without --again, which would begin another one
        with progress_bar() as watch:
            prepared = prepare_run(run_, data, watch)
            test = prepared.data.sealed_test()  # decoded here, with the bar
        _print_images(console, prepared.data, (*prepared.notes, *test.notes))
        with watcher_for(console) as watcher:
            found = confirm_study(prepared, run_, watcher, top=top, seeds=seeds, again=again, recipe_check=recipe_check)
    console.print(confirmation_table(found))
    sentence = found.sentence.replace("attnspace confirm RUN", shlex.join(["attnspace", "confirm", str(run_)]))
    for line in (sentence, *found.controls):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if (run_ / WEIGHTS).is_dir():
        console.print(f"weights: {run_ / WEIGHTS}", markup=False, highlight=False, soft_wrap=True)
    _print_report(console, run_)


@app.command()
def report(runs: Annotated[list[Path], typer.Argument(help="Run directories.")]) -> None:
    """Write report.html, trials.parquet and winner.json again from what a run has recorded."""
    from attnspace.cli.tables import summary_table, terminal
    from attnspace.record.results import load
    from attnspace.report import report_run

    console = terminal()
    for run in runs:
        load(run)  # none is written if one of them is no run
    for run in runs:
        console.print(summary_table(report_run(run)))
        _print_report(console, run)


@app.command()
def migrate(
    run_: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory of an earlier search.")],
    study: Annotated[Path, typer.Argument(help="The changed study: the same data, backbone and training.")],
    to: Annotated[Path | None, typer.Option("--to", help="The new run directory; by default runs/NAME.")] = None,
    data: DataOption = None,
    settings: SettingsOption = None,
) -> None:
    """Take the results of a run over into a changed study, so that only what is new has to be trained."""
    import_torch()
    from attnspace.search.migration import migrate as take_over
    from attnspace.study.loading import prepare
    from attnspace.study.run_directory import RunDirectory
    from attnspace.workflow import usual_directory

    with stoppable(command_line("migrate", (run_, study), ("--to", to), ("--data", data), ("--settings", settings))):
        prepared = prepare(study, settings=settings, data_folder=data)
        place = RunDirectory(to or usual_directory(prepared))
        found = take_over(prepared, run_, place)
    for reason, number in found.left.items():
        print(f"left behind: {number}, {reason}")
    again = command_line("search", (study,), ("--run", to), ("--data", data), ("--settings", settings))
    print(f"{found.taken} evaluations of {found.trials} trials taken over to {place.path}.", end=" ")
    print(f"Go on with: {shlex.join(again)}")
    if found.trials >= prepared.config.search.trials:
        print(
            f"note: the study asks for {prepared.config.search.trials} trials; raise search.trials to train new designs"
        )


def _print_images(console: Console, data: Dataset, notes: Iterable[str]) -> None:
    """Print how many images there are, and what the user should know of them."""
    from attnspace.data import summary

    for line in (*summary(data), *(f"note: {note}" for note in notes)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_report(console: Console, run: Path) -> None:
    console.print(f"report: {run / 'report.html'}", markup=False, highlight=False, soft_wrap=True)
