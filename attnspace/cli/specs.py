"""Commands on blocks and spaces: show, check, list, export, schema."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnspace.cli.application import DataOption, SettingsOption, app, command_line, import_torch, stoppable
from attnspace.errors import AttnspaceError, RunError, SpecError, StudyError, in_file

if TYPE_CHECKING:
    from attnspace.documents.document import Document
    from attnspace.language.specs import SpecFile
    from attnspace.primitives import Block
    from attnspace.space.space import Space

__all__ = ["check", "export", "list_", "schema", "show"]

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
    safetensors = "safetensors"


@app.command()
def show(
    spec: Annotated[str, typer.Argument(help="A spec file, or the name of a published block.")],
    diff: Annotated[str | None, typer.Option(help="Another one: say what changes from SPEC to it.")] = None,
    channels: Annotated[int | None, typer.Option(min=1, max=65_536, help=ANY_CHANNELS)] = None,
    resolution: Annotated[int, typer.Option(min=1, max=65_536, help="H and W of the map.")] = 56,
    picture: Annotated[Path | None, typer.Option(help="Also draw it, to this SVG file.")] = None,
) -> None:
    """Show a block as a tree, with parameters, FLOPs and memory; of a space or study, every hole with its size."""
    from attnspace.cli.tables import block_tree, space_tree, terminal
    from attnspace.documents.writing import write_text
    from attnspace.language.identity import usual_channels
    from attnspace.language.specs import read_spec

    if picture and picture.suffix != ".svg":
        raise SpecError("a picture is SVG", got=str(picture), remedy="give it a name that ends in .svg")
    document = _document(spec)
    space = _space_of(document) if document else None
    if space is not None:
        terminal().print(space_tree(space, spec))
        return
    found, other = read_spec(document or spec), read_spec(diff) if diff else None
    console = terminal()
    if found.blocks.single is None and other is None:
        for title, block in found.blocks.titled():
            console.print(block_tree(block, title))
        console.print(f"placement {found.placement}", markup=False, highlight=False)
        return
    channels = channels or usual_channels(found.block)
    with in_file(spec):
        facts = _facts(found.block, channels, resolution)
    difference = _difference(found, other, spec, diff or "", channels) if other else []
    if picture:  # before the rest is printed, whose reader may go
        write_text(picture, found.block._repr_html_() + "\n")
        console.print(f"drawn: {picture}", markup=False, highlight=False)
    console.print(block_tree(found.block, found.name or spec))
    placed = f"placement {found.placement}" if found.placement else None
    for line in filter(None, (found.doc, found.formula, found.source, placed)):
        console.print(line, style="dim", highlight=False, markup=False)
    for line in facts:
        console.print(line, highlight=False)
    for line in difference:
        console.print(line, highlight=False, markup=False)


def _facts(block: Block, channels: int, resolution: int) -> list[str]:
    """What a block costs, and which design it is, in two lines."""
    import_torch()
    from attnspace.costs.network import cost
    from attnspace.language.identity import identity

    costs = cost(block, (channels, resolution, resolution))
    return [
        f"at C={channels}, {resolution}x{resolution}: {costs.params:,} parameters, {costs.flops:,} FLOPs "
        f"({costs.macs:,} MACs), {costs.activation_bytes:,} bytes kept for backward",
        f"design {identity(block, channels)} at C={channels}",
    ]


def _difference(found: SpecFile, other: SpecFile, spec: str, diff: str, channels: int) -> list[str]:
    """What turns one block into another, in lines."""
    from attnspace.language.difference import diff as changes
    from attnspace.language.identity import identity

    with in_file(diff):
        lines = changes(found.block, other.block) or ["no gate differs"]
        if identity(other.block, channels) == identity(found.block, channels):
            lines.append(f"one design at C={channels}")
    return [f"\nfrom {found.name or spec} to {other.name or diff}:", *(f"  {line}" for line in lines)]


def _document(file: str) -> Document | None:
    """The document that a word of the command line names; None if it is the name of a published block."""
    from attnspace.documents.reading import read

    return read(file, SpecError) if Path(file).suffix in (".json", ".yaml", ".yml") else None


def _space_of(document: Document) -> Space | None:
    """The space that a file holds, by itself or in a study; None if it is a spec, or none of these."""
    from attnspace.documents.limits import has_holes
    from attnspace.space.space import load_space

    data = document.data
    if isinstance(data, dict) and "space" in data:
        import_torch()
        from attnspace.study.config import load_config
        from attnspace.study.loading import valid_space_of

        try:
            return valid_space_of(load_config(document)[0])
        except AttnspaceError as error:
            raise document.place(error) from None
    return load_space(document) if has_holes(data) else None


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A spec, a space or a study.")],
    channels: Annotated[int, typer.Option(min=1, max=65_536, help="C at which a spec must be possible.")] = 64,
    data: DataOption = None,
    settings: SettingsOption = None,
) -> None:
    """Check a file without training anything."""
    from attnspace.documents.limits import has_holes
    from attnspace.documents.reading import read

    document = read(file, SpecError)
    content = document.data
    if isinstance(content, dict) and "space" in content:
        _check_study(document, data, settings)
    elif has_holes(content):
        _check_space(document, channels)
    elif isinstance(content, dict) and not {"kind", "block"} & content.keys():
        raise StudyError(
            "is neither a spec nor a study",
            file=str(file),
            got=sorted(map(str, content)),
            allowed="a spec has 'kind', a study 'space'",
        )
    else:
        _check_spec(document, channels)


def _check_study(document: Document, data: Path | None, settings: Path | None) -> None:
    import_torch()
    from attnspace.cli.tables import fillings, slots_table, terminal
    from attnspace.data import progress_bar, summary
    from attnspace.study.loading import prepare
    from attnspace.workflow import check_ready

    again = command_line("check", (document.file,), ("--data", data), ("--settings", settings))
    with stoppable(again), progress_bar() as watch:
        study = prepare(document, settings=settings, data_folder=data, watch=watch)
    try:
        notes = (*study.notes, *check_ready(study))
    except AttnspaceError as error:
        raise document.place(error) from None
    print(f"{document.file}: a study: {len(study.baselines)} baselines, {study.config.search.trials} trials")
    print(f"a space of {fillings(study.space.size())}, a backbone with {len(study.slots)} slots:")
    terminal().print(slots_table(study.slots))
    if (trained := study.method.summary()) is not None:
        print(trained)
    for line in summary(study.data):
        print(line)
    if study.space.size() < study.config.search.trials:
        notes += (f"{study.config.search.trials} trials are asked for; the search will end earlier",)
    for note in notes:
        print(f"note: {note}")


def _check_space(document: Document, channels: int) -> None:
    from attnspace.cli.tables import fillings
    from attnspace.language.identity import identity
    from attnspace.space.space import Space

    try:
        space = Space(document.data)
        space.check(lambda filling: identity(filling.data, channels))
    except AttnspaceError as error:
        raise document.place(error) from None
    print(f"{document.file}: a space of {fillings(space.size())}, {len(space.holes())} holes")


def _check_spec(document: Document, channels: int) -> None:
    from attnspace.language.identity import identity
    from attnspace.language.specs import read_spec

    found = read_spec(document)
    try:
        designs = [(title, block, identity(block, channels)) for title, block in found.blocks.titled()]
    except AttnspaceError as error:
        raise document.place(error) from None
    for title, block, design in designs:
        print(f"{document.file}: {title or 'a block'}, {block.label()}")
        print(f"design {design} at C={channels}")


@app.command("list")
def list_(
    markdown: Annotated[bool, typer.Option("--markdown", help="The published blocks as a Markdown page.")] = False,
) -> None:
    """List the published blocks, and the primitives they are made of."""
    import_torch()
    from attnspace.cli.tables import catalogue_table, primitives_table, terminal

    if markdown:
        from attnspace.language.catalogue import markdown as page

        print(page(), end="")
        return
    console = terminal()
    console.print(catalogue_table())
    for line in primitives_table():
        console.print(line, highlight=False)


@app.command()
def export(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC|RUN", help="A spec file, a published block, or the directory of a run.")
    ],
    to: Annotated[Format, typer.Option(help="Python that needs only torch, ONNX, JSON, or weights that a run kept.")],
    channels: Annotated[int | None, typer.Option(min=1, max=65_536, help=f"Of a block: {ANY_CHANNELS}")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; by default Python and JSON are printed.")] = None,
    data: DataOption = None,
    fold: Annotated[
        bool, typer.Option("--fold", help="Of a run: the network with constant gates, folded into what stands beside.")
    ] = False,
) -> None:
    """Write a block, or the network that a run hands over, for use elsewhere; checked before it is handed over."""
    if Path(spec).is_dir() and not _is_block(spec):
        _export_run(Path(spec), to, channels, out, data, fold)
        return
    if to is Format.safetensors or data is not None or fold:
        options = {"--to safetensors": to is Format.safetensors, "--data": data is not None, "--fold": fold}
        given = " and ".join(option for option, is_given in options.items() if is_given)
        raise SpecError("is a block, which has no weights or images", file=spec, remedy=f"leave {given} to runs")
    if to is not Format.json:
        import_torch()
    from attnspace.documents.writing import write_text
    from attnspace.language.identity import usual_channels
    from attnspace.language.specs import dump_spec, read_spec

    found = read_spec(spec)
    channels = channels or usual_channels(found.block)
    with in_file(spec):
        if to is Format.onnx:
            from attnspace.export import export_onnx

            path = export_onnx(found, channels, out or Path(f"{Path(spec).stem}.onnx"))
            print(f"{path}: {spec} at C={channels}, batch, height and width free")
            return
        if to is Format.py:
            from attnspace.export import export_python

            text = export_python(found, channels)
        else:
            text = json.dumps(dump_spec(found.block), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        print(f"{out}: {spec}" + (f" at C={channels}" if to is Format.py else ""))


def _is_block(name: str) -> bool:
    """Whether a word that is also the name of a folder means a published block."""
    from attnspace.language.specs import published

    files = ("ledger.db", "study.yaml", "trials.parquet")
    return name in published() and not any((Path(name) / file).exists() for file in files)


def _export_run(run: Path, to: Format, channels: int | None, out: Path | None, data: Path | None, fold: bool) -> None:
    """Write what a run hands over, and say what it is."""
    if channels is not None:
        raise RunError("is a run, whose networks have their channels", file=str(run), remedy="leave --channels out")
    import_torch()
    from attnspace.documents.writing import write_text
    from attnspace.export.run import export_run

    given = (("--to", to.value), ("--out", out), ("--data", data), ("--fold", fold))
    with stoppable(command_line("export", (run,), *given)):
        found = export_run(run, to.value, out, data, fold=fold)
    path = found.path or out
    if path is None:
        print(found.text, end="")
    elif found.text is not None:
        write_text(path, found.text)
    if path is not None:
        print(f"{path}: what {run} hands over")
    for note in found.notes:
        print(f"note: {note}")


@app.command()
def schema(of: Annotated[SchemaOf, typer.Argument(help="spec or study")]) -> None:
    """Print the JSON Schema, with which editors complete and check a file."""
    from attnspace.schemas import spec_schema, study_schema

    print(json.dumps(spec_schema() if of is SchemaOf.spec else study_schema(), indent=1))
