"""Commands on studies and their runs: search, confirm, report, migrate."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnspace.cli.application import STARTED, DataOption, SettingsOption, app, import_torch
from attnspace.errors import RunFailed

if TYPE_CHECKING:
    from rich.console import Console

    from attnspace.record.ledger import Ledger
    from attnspace.record.results import Results

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
    import_torch()
    from attnspace.cli.tables import summary_table, terminal
    from attnspace.data import progress_bar
    from attnspace.record.checkpoints import Checkpoints
    from attnspace.record.ledger import Ledger, timestamp
    from attnspace.search.feasibility import Appraisal
    from attnspace.search.progress import watcher_for
    from attnspace.search.search import search as run_search
    from attnspace.search.search import threads
    from attnspace.study.loading import prepare
    from attnspace.study.run_directory import Run

    console = terminal()
    with progress_bar() as watch:
        prepared = prepare(study, settings=settings, data_folder=data, watch=watch)
    _print_notes(console, prepared.data.notes)
    place = Run(run_ or Path("runs") / prepared.config.name)
    place.check(prepared)
    if not place.ledger_file.exists():  # a search that was begun has met its limits
        with threads(prepared.config.search.threads):
            Appraisal(prepared).demand()
    with place.opened(prepared):
        ledger = Ledger(place.ledger_file)
        again = _command("search", study, ("--run", run_), ("--data", data), ("--settings", settings))
        with _kept_when_stopped(ledger, again):  # noqa: SIM117
            with watcher_for(console) as watcher:
                outcome = run_search(prepared, ledger, watcher, Checkpoints(place.checkpoint_folder))
        results = _write_report(place.path)
        total = time.perf_counter() - STARTED
        if outcome.evaluations:
            ledger.add_session(
                evaluations=outcome.evaluations, training_s=outcome.training_s, total_s=total, finished=timestamp()
            )
        ledger.close()
    console.print(summary_table(results))
    if outcome.exhausted:
        found = results.searched.loc[results.searched["role"] == "trial", ["design", "seed"]].drop_duplicates()
        limited = " within the limits" if prepared.config.objective.subject_to.names else ""
        console.print(
            f"The space holds no further design{limited}: {len(found)} of {prepared.config.search.trials} trials."
        )
    outside = total - outcome.training_s
    if outcome.evaluations:
        console.print(
            f"{total:.0f} s in all, {outcome.training_s:.0f} s of it training {outcome.epochs} epochs; "
            f"{outside:.1f} s ({outside / total:.1%}) for everything else",
            highlight=False,
        )
    console.print(f"report: {place.path / 'report.html'}", highlight=False, soft_wrap=True)
    if results.ranked().empty:
        raise RunFailed("every evaluation failed", file=str(place.path), remedy="see the reasons in its report.html")
    if not prepared.table and results.winner() is not None and results.confirmed().empty:
        next_one = shlex.join(["attnspace", "confirm", str(place.path)])
        console.print(f"is the gain real? {next_one}", highlight=False, soft_wrap=True)


@app.command()
def confirm(
    run_: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory of a finished search.")],
    top: Annotated[int | None, typer.Option(min=1, max=64, help="How many of the best designs.")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, max=1000, help="Fresh seeds of each.")] = None,
    data: DataOption = None,
) -> None:
    """Train the best designs, the baselines and two controls on fresh seeds, test them once, and say what is real."""
    import_torch()
    from attnspace.analysis.verdict import confirmation
    from attnspace.cli.tables import confirmation_table, terminal
    from attnspace.confirm.confirm import confirm as run_confirm
    from attnspace.data import progress_bar
    from attnspace.record.ledger import Ledger
    from attnspace.record.results import load
    from attnspace.search.progress import watcher_for
    from attnspace.study.loading import prepare_run
    from attnspace.study.run_directory import Run

    with progress_bar() as watch:
        prepared = prepare_run(run_, data, watch)
        test = prepared.data.sealed_test()  # decoded here, with the bar
    place = Run(run_)
    console = terminal()
    _print_notes(console, (*prepared.data.notes, *test.notes))
    command = _command("confirm", run_, ("--top", top), ("--seeds", seeds), ("--data", data))
    asked = seeds or prepared.config.confirm.seeds
    with place.opened(prepared):
        ledger, results = Ledger(place.ledger_file), load(run_)
        earlier = confirmation(results)
        if earlier and 2 <= len(earlier.scores) < asked and not earlier.scores.isna().any(axis=None):
            console.print(
                "note: seeds are added after a look at the verdict, which makes p-values too small", style="yellow"
            )
        with _kept_when_stopped(ledger, command), watcher_for(console) as watcher:
            run_confirm(prepared, results, ledger, watcher, top=top or prepared.config.confirm.top, seeds=asked)
        results = _write_report(run_)
        ledger.close()
    found = confirmation(results)
    assert found is not None
    console.print(confirmation_table(found))
    for line in (found.verdict.sentence, *found.controls):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"report: {run_ / 'report.html'}", highlight=False, soft_wrap=True)


@app.command()
def report(runs: Annotated[list[Path], typer.Argument(help="Run directories.")]) -> None:
    """Write report.html, trials.parquet and winner.json again from what a run has recorded."""
    from attnspace.cli.tables import summary_table, terminal
    from attnspace.record.results import load

    console = terminal()
    for run in runs:
        load(run)  # none is written if one of them is no run
    for run in runs:
        results = _write_report(run)
        console.print(summary_table(results))
        console.print(f"report: {run / 'report.html'}", highlight=False, soft_wrap=True)


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
    from attnspace.study.run_directory import Run

    prepared = prepare(study, settings=settings, data_folder=data)
    place = Run(to or Path("runs") / prepared.config.name)
    found = take_over(prepared, run_, place)
    for reason, number in found.left.items():
        print(f"left behind: {number}, {reason}")
    again = _command("search", study, ("--run", to), ("--data", data), ("--settings", settings))
    print(f"{found.taken} evaluations of {found.trials} trials taken over to {place.path}.", end=" ")
    print(f"Go on with: {shlex.join(again)}")
    if found.trials >= prepared.config.search.trials:
        print(
            f"note: the study asks for {prepared.config.search.trials} trials; raise search.trials to train new designs"
        )


def _print_notes(console: Console, notes: Iterable[str]) -> None:
    """What the user should know of the images."""
    for note in notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def _command(name: str, what: Path, *options: tuple[str, object]) -> list[str]:
    """A command as it would be given again."""
    given = [(option, str(value)) for option, value in options if value is not None]
    return ["attnspace", name, str(what), *(word for pair in given for word in pair)]


@contextmanager
def _kept_when_stopped(ledger: Ledger, command: list[str]) -> Iterator[None]:
    """Ctrl-C says what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        again = shlex.join(command)
        print(f"stopped; {len(ledger.rows())} finished evaluations are kept. Go on with: {again}", file=sys.stderr)
        raise typer.Exit(130) from None


def _write_report(run: Path) -> Results:
    from attnspace.record.results import load, write_tables
    from attnspace.report import write_report

    results = load(run)
    write_tables(results)
    write_report(results)
    return results
