"""A study read and checked: data loaded, slots found, every option of the space tried for validity."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from attnspace.costs.measured import declared
from attnspace.data import Watch
from attnspace.documents.document import Document
from attnspace.errors import AttnspaceError, PlacementError, RunError, SpecError, StudyError, within
from attnspace.language.specs import load_spec, parse_spec
from attnspace.language.stages import StageBlocks
from attnspace.placement.coverage import shallow
from attnspace.placement.document import DesignDocument
from attnspace.placement.placement import Placement, Plan, plan_blocks
from attnspace.placement.slots import Slot, slots_of
from attnspace.primitives import Block
from attnspace.primitives.blocks.identity import Identity
from attnspace.record.evaluation import Role
from attnspace.record.kept import require_ledger
from attnspace.record.results import PLAIN, load
from attnspace.samplers import make
from attnspace.space.space import Space
from attnspace.study.config import BASELINES, StudyConfig, load_config, written_out
from attnspace.study.design import Design, same_slots, trial_of
from attnspace.study.study import Study, StudySource, inputs_for, network_of
from attnspace.training.method import Method, Setting
from attnspace.training.method import prepare as prepare_training

__all__ = [
    "DATA_VARIABLE",
    "at_rate",
    "build_study",
    "prepare",
    "prepare_run",
    "recorded_study",
    "space_of",
    "valid_space_of",
]

DATA_VARIABLE = "ATTNSPACE_DATA"
"""The environment variable that says where images are, as `--data` does."""


def prepare(
    path: str | Path | Document,
    known: Mapping[str, Any] | None = None,
    *,
    settings: str | Path | None = None,
    data_folder: Path | None = None,
    watch: Watch | None = None,
) -> Study:
    """Read a study file and check the whole of it, before anything is trained or written.

    Args:
        path: the study file, or its document where that was read before.
        known: name -> block of further baselines, for the study file of a run, which stands elsewhere.
        settings: a file whose keys take the place of the study's.
        data_folder: where the images are, instead of where the study says.
        watch: hears of images that are decoded.

    Raises:
        AttnspaceError: with file, line and path of the fault.
    """
    if not isinstance(path, str | Path | Document):
        raise StudyError(
            "is no study", got=path, allowed="the path of a study file", remedy="write it into a YAML file"
        )
    file = path.file if isinstance(path, Document) else str(path)
    config, document = load_config(path, settings)
    try:
        config = _located(config, Path(file).parent, data_folder)
        return build_study(StudySource(config, file, known or {}), check=True, watch=watch)
    except AttnspaceError as error:
        raise document.place(error) from None


def prepare_run(run: Path, data_folder: Path | None = None, watch: Watch | None = None) -> Study:
    """The study of a run directory, to confirm it.

    Raises:
        RunError: the run holds no study, or looked its results up.
        AttnspaceError: its study is not possible any more.
    """
    purpose = "a confirmation"
    require_ledger(run, purpose)
    load(run)  # where that is no run, it says so
    if not load_config(run / "study.yaml")[0].train.can_confirm:
        raise RunError("looked its results up in a table: there is nothing to train again", file=str(run))
    return recorded_study(run, purpose, data_folder, watch)


def recorded_study(run: Path, purpose: str, data_folder: Path | None = None, watch: Watch | None = None) -> Study:
    """The study of a run directory.

    Args:
        run: the directory.
        purpose: what it is needed for, in words.
        data_folder: where the images are, instead of where the study says.
        watch: hears of images that are decoded.

    Raises:
        RunError: the run holds no study.
        AttnspaceError: its study is not possible any more.
    """
    require_ledger(run, purpose)
    results = load(run)
    rows = results.frame
    baselines = rows[(rows["role"] == Role.BASELINE) & (rows["name"] != PLAIN)]
    known = {str(row["name"]): row["spec"]["block"] for _, row in baselines.iterrows()}
    _, document = load_config(run / "study.yaml")
    return prepare(document, known, data_folder=data_folder, watch=watch)


def build_study(source: StudySource, *, check: bool = False, watch: Watch | None = None) -> Study:
    """The study of a file that was read; `check` tries every option of its space for validity, and its sampler.

    Raises:
        AttnspaceError: with the path of the fault.
    """
    config, folder = source.config, Path(source.file).parent
    method = _method(config, folder)
    with within("data"):
        dataset = method.images() or config.data.load(watch)
    with within("train"):
        method.check_images(dataset)
    with within("backbone"):
        network = network_of(config.backbone, dataset)
        inputs = inputs_for(network, dataset)
        available = tuple(slots_of(network, inputs))
        remarks = shallow(network, inputs) if check else ()
    same_as = same_slots(available)
    space = space_of(config)
    if check:
        with within("space"):
            space.check(lambda filling: trial_of(filling.data, filling.choices, available, same_as))
        with within("search", "sampler"):
            make(config.sampler, space, 0)
    baselines, left_out = _baselines(config, available, folder, source.known)
    return Study(source, dataset, available, space, baselines, method, (*remarks, *left_out))


def at_rate(study: Study, factor: float) -> Study:
    """The study with so many times its learning rate, for all designs alike.

    Raises:
        StudyError: its training has no learning rate.
    """
    train: Any = study.config.train
    if not isinstance(getattr(train, "lr", None), float):
        raise StudyError(
            "has no learning rate that could be changed",
            at=("train",),
            got=getattr(train, "kind", "import"),
            allowed="kind: sgd",
            remedy="leave --recipe-check out",
            file=study.file,
        )
    config = study.config.model_copy(update={"train": train.model_copy(update={"lr": factor * train.lr})})
    source = replace(study.source, config=config)
    return replace(study, source=source, method=_method(config, Path(study.file).parent))


def space_of(config: StudyConfig) -> Space:
    """The space of a study, of mappings `{block, placement}`, its fixed holes settled.

    Raises:
        SpaceError: a hole is faulty.
    """
    with within("space"):
        space = Space({"block": config.space.block, "placement": config.space.placement}, [Placement])
        with within("fixed"):
            return space.fixed(config.space.fixed)


def valid_space_of(config: StudyConfig) -> Space:
    """The space of a study, each of its options tried for validity; whether it fits the backbone is not looked at.

    Raises:
        SpaceError, SpecError, PlacementError: a hole is faulty, or an option is part of no valid design.
    """
    space = space_of(config)
    with within("space"):
        space.check(lambda filling: DesignDocument.parse(filling.data))
    return space


def _method(config: StudyConfig, folder: Path) -> Method:
    """Prepare the section `train` for the study.

    Raises:
        StudyError: it is not possible in this study.
    """
    wanted = [goal.metric for goal in config.objective.goals if goal.is_learnt]
    with within("train"):
        method = prepare_training(config.train, Setting(folder, config.plain(), written_out, wanted))
        for name in wanted:
            if method.reports is not None and name not in method.reports:
                raise StudyError(
                    f"reports no {name}", allowed=", ".join(method.reports), remedy="train by a loop that reports it"
                )
    for name in sorted(config.objective.costs):
        if method.lacks(name):
            what = "latencies" if declared()[name].timed else name
            raise StudyError(f"a table holds no {what}", at=("objective",), remedy=f"leave {name} out")
    return method


def _located(config: StudyConfig, folder: Path, data_folder: Path | None) -> StudyConfig:
    """The study with absolute paths, since the run's copy of it stands in another folder."""
    if data_folder is None and "path" in type(config.data).model_fields and os.environ.get(DATA_VARIABLE):
        data_folder = Path(os.environ[DATA_VARIABLE])
    with within("data"):
        found = config.data.located(folder, data_folder.resolve() if data_folder else None)
    changed = {"data": found, "backbone": config.backbone.located(folder), "train": config.train.located(folder)}
    return config.model_copy(update=changed)


def _baselines(
    config: StudyConfig, available: tuple[Slot, ...], folder: Path, known: Mapping[str, Any]
) -> tuple[tuple[Design, ...], tuple[str, ...]]:
    """The baselines of every study, then the further ones of this study; and which of the former do not fit.

    Raises:
        SpecError: a further one is not possible here, or is one of those before it.
        PlacementError: none can stand there.
    """
    where, same_as = config.baselines.placement, same_slots(available)
    nothing = DesignDocument.of(StageBlocks.of(Identity()), where, {"kind": "identity"})
    designs = [Design(Role.BASELINE, PLAIN, nothing, Plan({}, {}), same_as)]
    left_out: list[str] = []
    named: list[tuple[tuple[str, ...], str]] = [(("baselines", name), name) for name in BASELINES[1:]]
    named += [(("baselines", "extra", str(i)), name) for i, name in enumerate(config.baselines.extra)]
    for at, name in named:
        with within(*at):
            document = DesignDocument.of(StageBlocks.of(_baseline_block(name, folder, known)), where)
            try:
                planned = _baseline_plan(available, where, document.blocks)
            except SpecError as error:
                if at[-2] == "extra":
                    raise
                left_out.append(f"baseline {name} is left out, since it does not fit: {error}")
                continue
            design = Design(Role.BASELINE, Path(name).stem, document, planned, same_as)
            for other in designs:
                if design.identity == other.identity or design.name == other.name:
                    what = "design" if design.identity == other.identity else "name"
                    raise SpecError(f"has the {what} of baseline {other.name}", got=name, remedy="remove it")
            designs.append(design)
    return tuple(designs), tuple(left_out)


def _baseline_block(name: str, folder: Path, known: Mapping[str, Any]) -> Block:
    """The block of a published name or a spec file; of a run, as it was when the run began."""
    stem = Path(name).stem
    if stem in known:
        return parse_spec(known[stem])
    is_file = "/" in name or Path(name).suffix in (".json", ".yaml", ".yml")
    return load_spec(folder / name if is_file else name)


def _baseline_plan(available: tuple[Slot, ...], where: Placement, blocks: StageBlocks) -> Plan:
    """Plan where a baseline stands.

    Raises:
        SpecError, PlacementError: it cannot stand there; saying what to do about it.
    """
    try:
        return plan_blocks(available, where, blocks)
    except PlacementError as error:  # of all of them alike
        error.remedy = "say where baselines stand: baselines: {placement: {position: ..., stages: ...}}"
        raise
    except SpecError as error:
        error.remedy = "choose other stages in baselines.placement, or a wider backbone"
        raise
