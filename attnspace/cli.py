"""The command line.

Exit status: 0 done, 1 a search or report that failed on the way, 2 bad input, 130 stopped by Ctrl-C.
What a command needs is imported when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import gc
import json
import math
import os
import shlex
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnspace.errors import AttnspaceError, RunFailed, SpecError, StudyError, in_file

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from attnspace.primitives import Block
    from attnspace.results import Results

__all__ = ["app", "main", "run"]

STARTED = time.perf_counter()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search which attention block, placed where, helps your network.",
)


class SchemaOf(StrEnum):
    """What a JSON Schema describes."""

    spec = "spec"
    study = "study"


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"attnspace {version('attnspace')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    """Search which attention block, placed where, helps your network."""


@app.command()
def search(
    study: Annotated[Path, typer.Argument(help="The study, a YAML file.")],
    run_: Annotated[Path | None, typer.Option("--run", help="Run directory; by default runs/NAME.")] = None,
) -> None:
    """Search, and write the report. The same command goes on where an earlier one was stopped."""
    _import_torch()
    from attnspace.study import Ledger, Run, prepare
    from attnspace.study import search as run_search
    from attnspace.study.ledger import timestamp
    from attnspace.study.progress import watcher_for

    prepared = prepare(study)
    place = Run(run_ or Path("runs") / prepared.config.name)
    console = _console()
    with place.opened(prepared):
        ledger = Ledger(place.ledger_file)
        try:
            with watcher_for(console) as watcher:
                outcome = run_search(prepared, ledger, watcher)
        except KeyboardInterrupt:
            kept = len(ledger.rows())
            again = shlex.join(["attnspace", "search", str(study), *(["--run", str(run_)] if run_ else [])])
            print(f"stopped; {kept} finished evaluations are kept. Go on with: {again}", file=sys.stderr)
            raise typer.Exit(130) from None
        results = _write_report(place.path)
        total = time.perf_counter() - STARTED
        if outcome.evaluations:
            ledger.add_session(
                evaluations=outcome.evaluations, training_s=outcome.training_s, total_s=total, finished=timestamp()
            )
        ledger.close()
    console.print(_summary_table(results))
    if outcome.exhausted:
        found = (results.frame["role"] == "trial").sum()
        console.print(f"The space holds no further design: {found} of {prepared.config.search.trials} trials.")
    outside = total - outcome.training_s
    if outcome.evaluations:
        console.print(
            f"{total:.0f} s in all, {outcome.training_s:.0f} s of it training; "
            f"{outside:.1f} s ({outside / total:.1%}) for everything else",
            highlight=False,
        )
    console.print(f"report: {place.path / 'report.html'}", highlight=False, soft_wrap=True)
    if results.ranked().empty:
        raise RunFailed("every evaluation failed", file=str(place.path), remedy="see the reasons in its report.html")


@app.command()
def report(runs: Annotated[list[Path], typer.Argument(help="Run directories.")]) -> None:
    """Write report.html, trials.parquet and winner.json again from what a run has recorded."""
    from attnspace.results import load

    console = _console()
    for run in runs:
        load(run)  # none is written if one of them is no run
    for run in runs:
        results = _write_report(run)
        console.print(_summary_table(results))
        console.print(f"report: {run / 'report.html'}", highlight=False, soft_wrap=True)


@app.command()
def show(
    spec: Annotated[str, typer.Argument(help="A spec file, or the name of a published block.")],
    diff: Annotated[str | None, typer.Option(help="Another one: say what changes from SPEC to it.")] = None,
    channels: Annotated[int, typer.Option(min=1, max=65_536, help="C of the map.")] = 64,
    resolution: Annotated[int, typer.Option(min=1, max=65_536, help="H and W of the map.")] = 56,
) -> None:
    """Show a block as a tree, with its parameters and FLOPs."""
    from attnspace.costing import cost
    from attnspace.spec import diff as difference
    from attnspace.spec import identity, read_spec

    found, other = read_spec(spec), read_spec(diff) if diff else None
    if isinstance(found.blocks, dict) and other is None:
        console = _console()
        for stage, block in sorted(found.blocks.items()):
            console.print(_tree(block, f"stage {stage}"))
        console.print(f"placement {found.placement}", highlight=False)
        return
    with in_file(spec):
        costs = cost(found.block, (channels, resolution, resolution))
        design = identity(found.block, channels)
    with in_file(diff or ""):
        lines = difference(found.block, other.block) if other else []
        same = other is not None and identity(other.block, channels) == design
    console = _console()
    console.print(_tree(found.block, found.name or spec))
    placed = f"placement {found.placement}" if found.placement else None
    for line in filter(None, (found.doc, found.source, placed)):
        console.print(line, style="dim", highlight=False, markup=False)
    at = f"at C={channels}, {resolution}x{resolution}"
    console.print(f"{at}: {costs.params:,} parameters, {costs.flops:,} FLOPs ({costs.macs:,} MACs)", highlight=False)
    console.print(f"design {design} at C={channels}", highlight=False)
    if other is not None:
        console.print(f"\nfrom {found.name or spec} to {other.name or diff}:", highlight=False, markup=False)
        for line in lines or ["no gate differs"]:
            console.print(f"  {line}", highlight=False, markup=False)
        if same:
            console.print(f"  one design at C={channels}", highlight=False)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A spec, a space or a study.")],
    channels: Annotated[int, typer.Option(min=1, max=65_536, help="C at which a spec must be possible.")] = 64,
) -> None:
    """Check a file without running anything."""
    _import_torch()
    from attnspace.documents import has_holes, read
    from attnspace.spec import identity, read_spec

    document = read(file, SpecError)
    data = document.data
    if isinstance(data, dict) and "space" in data:
        from attnspace.study import prepare

        study = prepare(file)
        print(f"{file}: a study: {len(study.baselines)} baselines, {study.config.search.trials} trials")
        print(f"a space of {_many(study.space.size())} fillings, a backbone with {len(study.slots)} slots")
        if study.space.size() < study.config.search.trials:
            print(f"note: {study.config.search.trials} trials are asked for; the search will end earlier")
        return
    if has_holes(data):
        from attnspace.space import Space

        try:
            space = Space(data)
            space.check(lambda filling: identity(filling.data, channels))
        except AttnspaceError as error:
            raise document.place(error) from None
        print(f"{file}: a space of {_many(space.size())} fillings, {len(space.holes())} holes")
        return
    if isinstance(data, dict) and not {"kind", "block"} & data.keys():
        raise StudyError(
            "is neither a spec nor a study",
            file=str(file),
            got=sorted(map(str, data)),
            allowed="a spec has 'kind', a study 'space'",
        )
    found = read_spec(file)
    blocks = found.blocks if isinstance(found.blocks, dict) else {0: found.blocks}
    try:
        designs = {stage: identity(block, channels) for stage, block in blocks.items()}
    except AttnspaceError as error:
        raise document.place(error) from None
    for stage, block in sorted(blocks.items()):
        print(f"{file}: {f'stage {stage}' if stage else 'a block'}, {block.label()}")
        print(f"design {designs[stage]} at C={channels}")


def _many(number: int) -> str:
    """A count for people: exact up to twelve digits."""
    return f"{number:,}" if number < 10**12 else f"about 10^{int(math.log10(number))}"


@app.command("list")
def list_() -> None:
    """List the published blocks, and the primitives they are made of."""
    from rich.table import Table

    from attnspace.compiler import build
    from attnspace.primitives import families
    from attnspace.spec import published, read_spec

    console = _console()
    table = Table("name", "label", "parameters at C=64", "source", box=None, header_style="bold", pad_edge=False)
    table.columns[2].justify = "right"
    for name in published():
        found = read_spec(name)
        params = sum(p.numel() for p in build(found.block, 64).parameters())
        table.add_row(name, found.block.label(), f"{params:,}", found.source or "")
    console.print(table)
    for family, base in families().items():
        console.print(f"\n[bold]{family}[/bold]: {base.__doc__.splitlines()[0] if base.__doc__ else ''}")
        for kind, member in sorted(base.members.items()):
            fields = [_field(name, about) for name, about in member.model_fields.items() if name != "kind"]
            said = (member.__doc__ or "").splitlines()[0]
            console.print(f"  {kind:<12} {said}", highlight=False, markup=False)
            if fields:
                console.print(f"  {'':<12} {', '.join(fields)}", style="dim", highlight=False, markup=False)


@app.command()
def schema(of: Annotated[SchemaOf, typer.Argument(help="spec or study")]) -> None:
    """Print the JSON Schema, with which editors complete and check a file."""
    from attnspace.schemas import spec_schema, study_schema

    print(json.dumps(spec_schema() if of is SchemaOf.spec else study_schema(), indent=1))


def _import_torch() -> None:
    """Importing torch makes a million objects and no garbage: a tenth of its time is looking for some."""
    gc.disable()
    import torch  # noqa: F401

    gc.enable()


def _field(name: str, about: Any) -> str:
    """`merge: logit_sum | gate_sum = logit_sum`: choices where there are few words, and the default."""
    from typing import get_args

    from pydantic_core import to_jsonable_python

    words = [str(word) for word in get_args(about.annotation) if isinstance(word, str | int)]
    choices = f": {' | '.join(words)}" if len(words) > 1 else ""
    if about.is_required():
        return f"{name}{choices}"
    default = to_jsonable_python(about.default)
    return f"{name}{choices} = {default if isinstance(default, str) else json.dumps(default)}"


def _console() -> Console:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        columns = os.environ.get("COLUMNS", "")
        console.width = int(columns) if columns.isdecimal() else 160
    return console


def _write_report(run: Path) -> Results:
    from attnspace.report import write_report
    from attnspace.results import load, write_tables

    results = load(run)
    write_tables(results)
    write_report(results)
    return results


def _summary_table(results: Results) -> Table:
    from rich.table import Table

    from attnspace.report.compute import leaderboard, summary

    table = Table("#", "block", "placement", results.metric, "gain", "parameters", box=None, header_style="bold")
    for column in (0, 3, 4, 5):
        table.columns[column].justify = "right"
    board = leaderboard(results)
    shown = board[(board["rank"] <= 5) | (board["role"] == "baseline")]
    hidden = len(board) - len(shown)
    for _, row in shown.iterrows():
        name = f"{row['name']} (baseline)" if row["role"] == "baseline" else row["label"]
        gain = "" if row["gain"] != row["gain"] else f"{row['gain']:+.4f}"
        cells = (
            str(row["rank"]),
            name,
            row["placement"],
            f"{row[results.metric]:.4f}",
            gain,
            f"{int(row['params']):,}",
        )
        table.add_row(*cells, style="red" if row["role"] == "baseline" else None)
    more = f"{hidden} more designs are in the report. " if hidden else ""
    table.caption = more + summary(results).sentence(results.metric)
    table.caption_justify = "left"
    return table


def _tree(block: Block, name: str) -> Any:
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(f"[bold]{escape(name)}[/bold]  {escape(block.label())}")
    _branch(root, block)
    return root


def _branch(tree: Any, node: Any) -> None:
    from pydantic import BaseModel
    from rich.markup import escape

    from attnspace.primitives import Node
    from attnspace.primitives.statistic import Statistic

    for field in type(node).model_fields:
        value = getattr(node, field)
        if field == "kind" or value in ((), None):
            continue
        if isinstance(value, tuple) and not isinstance(value[0], Statistic):
            inner = tree.add(f"{field}")
            for item in value:
                _branch(inner.add(f"[bold]{item.kind}[/bold]"), item)
        elif isinstance(value, Node):
            _branch(tree.add(f"{field}: [bold]{value.kind}[/bold]"), value)
        else:
            if isinstance(value, tuple):
                text = ", ".join(item.label() for item in value)
            elif isinstance(value, BaseModel):
                text = value.model_dump_json()
            else:
                text = str(value)
            tree.add(escape(f"{field}: {text}"))


def main() -> None:
    """Run the command line and exit."""
    status = run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # the reader has gone, as `| head` does
        pass
    # All is written. Taking torch's modules apart again would double the time of a short command.
    os._exit(status)


def run() -> int:
    """Run the command that `sys.argv` holds; its exit status."""
    try:
        outcome = app(standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except RunFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except AttnspaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's usage errors
            error.show()
            return int(error.exit_code)
        raise
    return outcome if isinstance(outcome, int) else 0
