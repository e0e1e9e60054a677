"""A study read and checked: data loaded, slots found, every option of the space tried for validity."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attnspace import backbones, data
from attnspace.data import Watch
from attnspace.documents.validation import validate
from attnspace.errors import AttnspaceError, PlacementError, RunError, SpecError, StudyError, within
from attnspace.language.specs import dump_spec, load_spec, parse_spec
from attnspace.placement.placement import Placement, plan
from attnspace.placement.slots import Slot, slots
from attnspace.record.results import load
from attnspace.samplers import make
from attnspace.space.space import Space
from attnspace.study.config import BASELINES, Loop, Replay, StudyConfig, load_config
from attnspace.study.design import Design, maps_of, trial_of
from attnspace.study.study import Source, Study, network_of
from attnspace.training.replay import Table

__all__ = ["DATA_VARIABLE", "made_ready", "prepare", "prepare_run", "space_of"]

DATA_VARIABLE = "ATTNSPACE_DATA"
"""The environment variable that says where images are, as `--data` does."""


def prepare(
    path: str | Path,
    known: Mapping[str, Any] | None = None,
    *,
    settings: str | Path | None = None,
    data_folder: Path | None = None,
    watch: Watch | None = None,
) -> Study:
    """Read a study file and check the whole of it, before anything is trained or written.

    Args:
        path: the study file.
        known: name -> block of further baselines, for the study file of a run, which stands elsewhere.
        settings: a file whose keys take the place of the study's.
        data_folder: where the images are, instead of where the study says.
        watch: hears of images that are decoded.

    Raises:
        AttnspaceError: with file, line and path of the fault.
    """
    config, document = load_config(path, settings)
    try:
        config = _located(config, Path(path).parent, data_folder)
        return made_ready(Source(config, str(path), known or {}), check=True, watch=watch)
    except AttnspaceError as error:
        raise document.place(error) from None


def prepare_run(run: Path, data_folder: Path | None = None, watch: Watch | None = None) -> Study:
    """The study of a run directory, to confirm it.

    Raises:
        RunError: the run holds no study, or looked its results up.
        AttnspaceError: its study is not possible any more.
    """
    results = load(run)
    if results.study.get("train", {}).get("kind") == "replay":
        raise RunError("looked its results up in a table: there is nothing to train again", file=str(run))
    rows = results.frame
    baselines = rows[(rows["role"] == "baseline") & (rows["name"] != BASELINES[0])]
    known = {str(row["name"]): row["spec"]["block"] for _, row in baselines.iterrows()}
    return prepare(run / "study.yaml", known, data_folder=data_folder, watch=watch)


def made_ready(source: Source, *, check: bool = False, watch: Watch | None = None) -> Study:
    """The study of a file that was read; `check` tries every option of its space for validity."""
    config, folder = source.config, Path(source.file).parent
    with within("data"):
        dataset = data.load(config.data, watch)
    table = _table(config, folder)
    if isinstance(config.train, Loop):
        with within("train"):
            _check_call(config.train)
    with within("backbone"):
        available = tuple(slots(network_of(config.backbone, dataset), dataset.input_shape))
    maps = maps_of(available)
    space = space_of(config)
    if check:
        with within("space"):
            space.check(lambda filling: trial_of(filling, available, maps))
    with within("search", "sampler"):
        make(config.search.sampler, space, 0)
    return Study(source, dataset, available, space, _baselines(config, available, folder, source.known), table)


def space_of(config: StudyConfig) -> Space:
    """The space of a study, of mappings `{block, placement}`, its fixed holes settled.

    Raises:
        SpaceError: a hole is faulty.
    """
    with within("space"):
        space = Space({"block": config.space.block, "placement": config.space.placement}, [Placement])
        with within("fixed"):
            return space.fixed(config.space.fixed)


def _check_call(loop: Loop) -> None:
    """See to it that a training loop can be called as it will be.

    Raises:
        StudyError: it cannot be imported, or takes other arguments.
    """
    function = loop.function(StudyError)
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a builtin, which does not tell
        return
    try:
        signature.bind(None, None, **loop.args)
    except TypeError as cause:
        raise StudyError(
            f"cannot be called with a model, a report and args: {cause}",
            at=("import",),
            got=f"{function.__name__}{signature}",
            allowed=", ".join(["function(model, report", *loop.args]) + ")",
        ) from None


def _located(config: StudyConfig, folder: Path, data_folder: Path | None) -> StudyConfig:
    """The study with what it names seen from anywhere: the run's copy of it stands in another folder."""
    if data_folder is None and "path" in type(config.data).model_fields and os.environ.get(DATA_VARIABLE):
        data_folder = Path(os.environ[DATA_VARIABLE])
    with within("data"):
        found = data.located(config.data, folder, data_folder.resolve() if data_folder else None)
    changed: dict[str, Any] = {"data": found, "backbone": backbones.located(config.backbone, folder)}
    if isinstance(config.train, Loop):
        changed["train"] = config.train.located(folder)
    return config.model_copy(update=changed)


def _table(config: StudyConfig, folder: Path) -> Table | None:
    if not isinstance(config.train, Replay):
        return None
    with within("train", "table"):
        table = Table(folder / config.train.table)
        for part in ("data", "backbone"):
            here = config.plain()
            recorded = validate(StudyConfig, here | {part: table.study[part]}, StudyError).plain()
            if _without_path(here[part]) != _without_path(recorded[part]):
                raise StudyError(
                    f"was recorded with another {part}",
                    got=here[part],
                    allowed=str(table.study[part]),
                    remedy="copy it here",
                )
    if config.times:
        raise StudyError("a table holds no latencies", at=("objective",), remedy="leave latency_ms out")
    return table


def _without_path(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "path"}


def _baselines(
    config: StudyConfig, available: tuple[Slot, ...], folder: Path, known: Mapping[str, Any]
) -> tuple[Design, ...]:
    """The five, then the study's own.

    Raises:
        SpecError: one is not possible here, or is one of those before it.
    """
    where, maps = config.baselines.placement, maps_of(available)
    designs = [Design("baseline", "none", {"kind": "identity"}, where, {}, maps)]
    named: list[tuple[tuple[str, ...], str]] = [(("baselines", name), name) for name in BASELINES[1:]]
    named += [(("baselines", "extra", str(i)), name) for i, name in enumerate(config.baselines.extra)]
    for at, name in named:
        with within(*at):
            is_file = "/" in name or Path(name).suffix in (".json", ".yaml", ".yml")
            stem = Path(name).stem
            block = parse_spec(known[stem]) if stem in known else load_spec(folder / name if is_file else name)
            try:
                planned = plan(available, where, block)
            except PlacementError as error:  # of all of them alike
                error.remedy = "say where baselines stand: baselines: {placement: {position: ..., stages: ...}}"
                raise
            except SpecError as error:
                mend = "remove it" if at[-2] == "extra" else "every study has it: widen the backbone"
                error.remedy = f"{mend}, or choose other stages in baselines.placement"
                raise
            design = Design("baseline", stem, dump_spec(block), where, planned, maps)
            for other in designs:
                if design.identity == other.identity or design.name == other.name:
                    what = "design" if design.identity == other.identity else "name"
                    raise SpecError(f"has the {what} of baseline {other.name}", got=name, remedy="remove it")
            designs.append(design)
    return tuple(designs)
