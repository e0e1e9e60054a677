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
from typing import TYPE_CHECKING, Annotated

import typer

from attnspace.errors import AttnspaceError, RunFailed, SpecError, StudyError, in_file

if TYPE_CHECKING:
    from attnspace.results import Results

__all__ = ["app", "main", "run"]

STARTED = time.perf_counter()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search which attention block, placed where, helps your network.",
)


ANY_CHANNELS = "C of the map; by default 64, or 128 where a block needs more."


class SchemaOf(StrEnum):
    """What a JSON Schema describes."""

    spec = "spec"
    study = "study"


class Format(StrEnum):
    """What a block is exported to."""

    py = "py"
    onnx = "onnx"
    json = "json"


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
    from attnspace.console import summary_table, terminal
    from attnspace.study import Ledger, Run, prepare
    from attnspace.study import search as run_search
    from attnspace.study.ledger import timestamp
    from attnspace.study.progress import watcher_for

    prepared = prepare(study)
    place = Run(run_ or Path("runs") / prepared.config.name)
    console = terminal()
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
    console.print(summary_table(results))
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
    from attnspace.console import summary_table, terminal
    from attnspace.results import load

    console = terminal()
    for run in runs:
        load(run)  # none is written if one of them is no run
    for run in runs:
        results = _write_report(run)
        console.print(summary_table(results))
        console.print(f"report: {run / 'report.html'}", highlight=False, soft_wrap=True)


@app.command()
def show(
    spec: Annotated[str, typer.Argument(help="A spec file, or the name of a published block.")],
    diff: Annotated[str | None, typer.Option(help="Another one: say what changes from SPEC to it.")] = None,
    channels: Annotated[int | None, typer.Option(min=1, max=65_536, help=ANY_CHANNELS)] = None,
    resolution: Annotated[int, typer.Option(min=1, max=65_536, help="H and W of the map.")] = 56,
    picture: Annotated[Path | None, typer.Option(help="Also draw it, to this SVG file.")] = None,
) -> None:
    """Show a block as a tree, with its parameters, FLOPs and memory."""
    _import_torch()
    from attnspace.catalogue import usual_channels
    from attnspace.console import block_tree, terminal
    from attnspace.costing import cost
    from attnspace.documents import write_text
    from attnspace.spec import diff as difference
    from attnspace.spec import identity, read_spec

    if picture and picture.suffix != ".svg":
        raise SpecError("a picture is SVG", got=str(picture), remedy="give it a name that ends in .svg")
    found, other = read_spec(spec), read_spec(diff) if diff else None
    if isinstance(found.blocks, dict) and other is None:
        console = terminal()
        for stage, block in sorted(found.blocks.items()):
            console.print(block_tree(block, f"stage {stage}"))
        console.print(f"placement {found.placement}", highlight=False)
        return
    channels = channels or usual_channels(found.block)
    with in_file(spec):
        costs = cost(found.block, (channels, resolution, resolution))
        design = identity(found.block, channels)
    with in_file(diff or ""):
        lines = difference(found.block, other.block) if other else []
        same = other is not None and identity(other.block, channels) == design
    console = terminal()
    if picture:  # before the rest is printed, whose reader may go
        write_text(picture, found.block._repr_html_() + "\n")
        console.print(f"drawn: {picture}", highlight=False)
    console.print(block_tree(found.block, found.name or spec))
    placed = f"placement {found.placement}" if found.placement else None
    for line in filter(None, (found.doc, found.formula, found.source, placed)):
        console.print(line, style="dim", highlight=False, markup=False)
    at = f"at C={channels}, {resolution}x{resolution}"
    console.print(
        f"{at}: {costs.params:,} parameters, {costs.flops:,} FLOPs ({costs.macs:,} MACs), "
        f"{costs.activation_bytes:,} bytes kept for backward",
        highlight=False,
    )
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
        print(f"a space of {_many(study.space.size(), 'filling')}, a backbone with {len(study.slots)} slots")
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
        print(f"{file}: a space of {_many(space.size(), 'filling')}, {_many(len(space.holes()), 'hole')}")
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


def _many(number: float, what: str) -> str:
    """A count for people: exact up to twelve digits."""
    if number == math.inf:
        return f"endlessly many {what}s"
    many = f"{number:,}" if number < 10**12 else f"about 10^{int(math.log10(number))}"
    return f"{many} {what}{'' if number == 1 else 's'}"


@app.command("list")
def list_(
    markdown: Annotated[bool, typer.Option("--markdown", help="The published blocks as a Markdown page.")] = False,
) -> None:
    """List the published blocks, and the primitives they are made of."""
    _import_torch()
    from attnspace.console import catalogue_table, primitives_table, terminal

    if markdown:
        from attnspace.catalogue import markdown as page

        print(page(), end="")
        return
    console = terminal()
    console.print(catalogue_table())
    for line in primitives_table():
        console.print(line, highlight=False)


@app.command()
def export(
    spec: Annotated[str, typer.Argument(help="A spec file, or the name of a published block.")],
    to: Annotated[Format, typer.Option(help="A Python file that needs only torch, ONNX, or the spec as JSON.")],
    channels: Annotated[int | None, typer.Option(min=1, max=65_536, help=ANY_CHANNELS)] = None,
    out: Annotated[Path | None, typer.Option(help="The file; by default Python and JSON are printed.")] = None,
) -> None:
    """Write a block for use without attnspace, checked against the module before it is handed over."""
    _import_torch()
    from attnspace.catalogue import usual_channels
    from attnspace.documents import write_text
    from attnspace.spec import dump_spec, read_spec

    found = read_spec(spec)
    channels = channels or usual_channels(found.block)
    with in_file(spec):
        if to is Format.onnx:
            from attnspace.export import export_onnx

            path = export_onnx(spec, channels, out or Path(f"{Path(spec).stem}.onnx"))
            print(f"{path}: {spec} at C={channels}, batch, height and width free")
            return
        if to is Format.py:
            from attnspace.export import export_python

            text = export_python(spec, channels)
        else:
            text = json.dumps(dump_spec(found.block), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        print(f"{out}: {spec}" + (f" at C={channels}" if to is Format.py else ""))


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


def _write_report(run: Path) -> Results:
    from attnspace.report import write_report
    from attnspace.results import load, write_tables

    results = load(run)
    write_tables(results)
    write_report(results)
    return results


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
    except (BrokenPipeError, SystemExit):  # the reader has gone; click turns that into an exit with status 1
        return 0
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's usage errors
            error.show()
            return int(error.exit_code)
        raise
    return outcome if isinstance(outcome, int) else 0
