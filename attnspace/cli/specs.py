"""Commands on blocks and spaces: show, check, list, export, schema."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnspace.cli.application import DataOption, SettingsOption, app, import_torch
from attnspace.errors import AttnspaceError, SpecError, StudyError, in_file

if TYPE_CHECKING:
    from attnspace.documents.document import Document
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
    from attnspace.language.difference import diff as difference
    from attnspace.language.identity import identity, usual_channels
    from attnspace.language.specs import read_spec

    if picture and picture.suffix != ".svg":
        raise SpecError("a picture is SVG", got=str(picture), remedy="give it a name that ends in .svg")
    space = _space_of(spec)
    if space is not None:
        terminal().print(space_tree(space, spec))
        return
    found, other = read_spec(spec), read_spec(diff) if diff else None
    if isinstance(found.blocks, dict) and other is None:
        console = terminal()
        for stage, block in sorted(found.blocks.items()):
            console.print(block_tree(block, f"stage {stage}"))
        console.print(f"placement {found.placement}", highlight=False)
        return
    import_torch()
    from attnspace.costs.network import cost

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


def _space_of(file: str) -> Space | None:
    """The space that a file holds, by itself or in a study; None if it is a spec, or none of these."""
    from attnspace.documents.limits import has_holes
    from attnspace.documents.reading import read
    from attnspace.space.space import Space

    if Path(file).suffix not in (".json", ".yaml", ".yml"):
        return None
    document = read(file, SpecError)
    data = document.data
    try:
        if isinstance(data, dict) and "space" in data:
            import_torch()
            from attnspace.study.config import load_config
            from attnspace.study.loading import space_of

            return space_of(load_config(file)[0])
        return Space(data) if has_holes(data) else None
    except AttnspaceError as error:
        raise document.place(error) from None


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
        _check_study(file, data, settings)
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


def _check_study(file: Path, data: Path | None, settings: Path | None) -> None:
    import_torch()
    from attnspace.cli.tables import fillings
    from attnspace.data import progress_bar
    from attnspace.search.feasibility import Appraisal
    from attnspace.search.search import threads
    from attnspace.study.loading import prepare

    with progress_bar() as watch:
        study = prepare(file, settings=settings, data_folder=data, watch=watch)
    with threads(study.config.search.threads):
        Appraisal(study).demand()
    print(f"{file}: a study: {len(study.baselines)} baselines, {study.config.search.trials} trials")
    print(f"a space of {fillings(study.space.size())}, a backbone with {len(study.slots)} slots")
    if study.table:
        print(f"a table of {len(study.table.designs())} designs under {len(study.table.seeds)} seeds to look up")
    if study.space.size() < study.config.search.trials:
        print(f"note: {study.config.search.trials} trials are asked for; the search will end earlier")


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

    found = read_spec(Path(document.file))
    blocks = found.blocks if isinstance(found.blocks, dict) else {0: found.blocks}
    try:
        designs = {stage: identity(block, channels) for stage, block in blocks.items()}
    except AttnspaceError as error:
        raise document.place(error) from None
    for stage, block in sorted(blocks.items()):
        print(f"{document.file}: {f'stage {stage}' if stage else 'a block'}, {block.label()}")
        print(f"design {designs[stage]} at C={channels}")


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
    spec: Annotated[str, typer.Argument(help="A spec file, or the name of a published block.")],
    to: Annotated[Format, typer.Option(help="A Python file that needs only torch, ONNX, or the spec as JSON.")],
    channels: Annotated[int | None, typer.Option(min=1, max=65_536, help=ANY_CHANNELS)] = None,
    out: Annotated[Path | None, typer.Option(help="The file; by default Python and JSON are printed.")] = None,
) -> None:
    """Write a block for use without attnspace, checked against the module before it is handed over."""
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
