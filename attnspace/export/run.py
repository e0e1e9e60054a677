"""What a run hands over, as files for use elsewhere: its design, its blocks, its network, its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from safetensors.torch import load_model
from torch import nn

from attnspace.analysis.handed_over import CONSTANT, WINNER, handed_over
from attnspace.analysis.verdict import confirmation
from attnspace.analysis.winner import winner_data, winner_text
from attnspace.confirm.controls import constant_gates
from attnspace.documents.writing import write_bytes
from attnspace.errors import ExportError, RunError, within
from attnspace.export.folding import Folding, fold_constants
from attnspace.export.insertion import export_insertion
from attnspace.export.network_onnx import export_network
from attnspace.placement.document import DesignDocument
from attnspace.record.evaluation import Role
from attnspace.record.results import Results, load
from attnspace.record.weights import WEIGHTS, KeptWeights, about_weights, write_weights
from attnspace.study.design import Design
from attnspace.study.loading import recorded_study
from attnspace.study.study import Study, inputs_for

__all__ = ["ExportedRun", "RunFormat", "export_run"]

KEEP = "`attnspace confirm {run}` trains it again, and keeps them"
"""How a run comes to weights, for messages."""

RunFormat = Literal["py", "onnx", "json", "safetensors"]


@dataclass(frozen=True)
class ExportedRun:
    """What was exported.

    Attributes:
        text: of the file, for the formats that are text; None where a file was written.
        path: the file that was written; None for text.
        notes: what the user should know of it, in sentences.
    """

    text: str | None = None
    path: Path | None = None
    notes: tuple[str, ...] = field(default=())


def export_run(
    run: Path, to: RunFormat, out: Path | None = None, data_folder: Path | None = None, *, fold: bool = False
) -> ExportedRun:
    """Export the design that a run hands over, which is the one in its winner.json.

    Args:
        run: the run directory; a folder with a kept table alone is enough for `json`.
        to: `json`, the design as `attnspace.insert_design` takes it; `py`, a file of plain torch with the blocks and a
            function that inserts them; `onnx`, the whole network with the weights that a confirmation kept, or
            new ones; `safetensors`, these weights.
        out: the file of `onnx` and `safetensors`; by default NAME-winner with that suffix.
        data_folder: where the images are, instead of where the study says: networks are made for their shape.
        fold: for `onnx` and `safetensors`, take the control with constant gates, which a confirmation trained, and fold
            these gates into the convolutions and norms beside them.

    Raises:
        RunError: it is no run, has no winner, or no weights.
        ExportError: it cannot be exported so.
        AttnspaceError: its study is not possible any more.
        RunFailed: the file cannot be written.
    """
    results = load(run)
    winner = handed_over(results)
    if winner is None:
        raise RunError("has no winner yet: no trial was trained to the end", file=str(run), remedy="search first")
    path = out or Path(f"{results.study['name']}-{'folded' if fold else 'winner'}.{to}")
    if fold:
        return _folded(results, winner, to, path, data_folder)
    if to == "json":
        about = winner_data(results)
        assert about is not None
        return ExportedRun(winner_text(about))
    weights = _weights(run, WINNER, str(winner["design"]))
    if to == "safetensors":
        if weights is None:
            raise RunError(
                "keeps no weights of the design that it hands over",
                file=str(run),
                remedy=KEEP.format(run=run),
            )
        write_bytes(path, weights.read_bytes())
        return ExportedRun(path=path, notes=(_whose(weights),))
    study = recorded_study(run, "the export of a network", data_folder)
    return _as_python(study, results, winner) if to == "py" else _as_onnx(study, results, winner, weights, path)


def _weights(run: Path, name: str, design: str) -> Path | None:
    """The kept weights of a design; None if there are none, or if they are another design's."""
    file = KeptWeights(run / WEIGHTS).named(name)
    return file if file.is_file() and about_weights(file)["design"] == design else None


def _whose(weights: Path) -> str:
    about = about_weights(weights)
    reached = f", test_accuracy {float(about['test_accuracy']):.4f}" if "test_accuracy" in about else ""
    normalised = f"images are normalised by mean {about['mean']} and deviation {about['std']} in units of pixel values"
    return f"the weights are those of seed {about['seed']} after {about['epochs']} epochs{reached}; {normalised}"


def _design_of(study: Study, winner: pd.Series[Any]) -> Design:
    """The design that is handed over: a trial of the search, a baseline, or the plain network."""
    identity = str(winner["design"])
    known = {baseline.identity: baseline for baseline in study.baselines}
    return known.get(identity) or study.recorded_design(winner["spec"], winner["choices"], identity)


def _as_python(study: Study, results: Results, winner: pd.Series[Any]) -> ExportedRun:
    design = _design_of(study, winner)
    if not design.plan:
        raise ExportError(
            "the run hands over the plain network, which has no block to write",
            file=str(results.path),
            remedy="use that network as it is; `--to onnx` and `--to safetensors` write it",
        )
    about = winner_data(results)
    assert about is not None
    doc = [f"{about['name']}: {about['doc']}", "Written by attnspace from\n" + json.dumps(design.data())]
    return ExportedRun(
        export_insertion(
            lambda: study.spare_network(study.plain),
            design.plan,
            study.slots,
            inputs_for(study.spare_network(study.plain), study.data),
            doc,
        )
    )


def _as_onnx(study: Study, results: Results, winner: pd.Series[Any], weights: Path | None, path: Path) -> ExportedRun:
    network = study.spare_network(_design_of(study, winner))
    note = f"THE WEIGHTS ARE UNTRAINED: the run keeps none of this design; {KEEP.format(run=results.path)}"
    if weights is not None:
        load_weights(network, weights)
        note = _whose(weights)
    about = about_weights(weights) if weights else {"design": str(winner["design"]), "weights": "untrained"}
    free = export_network(network, image_shape(study, network), path, about)
    return ExportedRun(path=path, notes=(f"{' and '.join(free)} may have any size", note))


def image_shape(study: Study, network: nn.Module) -> tuple[int, int, int]:
    """(C, H, W) of the images that a network of a study takes.

    Raises:
        ExportError: it takes other things than images.
    """
    with within("backbone"):
        shape = inputs_for(network, study.data).image
        if shape is None:
            raise ExportError("takes other inputs than images, which no ONNX file is written of", remedy="use --to py")
    return shape


def load_weights(network: nn.Module, weights: Path) -> None:
    """Load kept weights into the network that they are of.

    Raises:
        ExportError: they do not fit.
    """
    try:
        with torch.no_grad():
            load_model(network, str(weights))
    except RuntimeError as cause:
        raise ExportError(
            f"the kept weights do not fit the network: {str(cause).splitlines()[-1].strip()}",
            at=(str(weights),),
            remedy="use the version of attnspace, and of the backbone's library, that confirmed the run",
        ) from None


def _folded(
    results: Results, winner: pd.Series[Any], to: RunFormat, path: Path, data_folder: Path | None
) -> ExportedRun:
    """Export the network with constant gates, these folded away."""
    if to not in ("onnx", "safetensors"):
        raise ExportError(
            "a network whose gates are folded has no block to write",
            got=f"--to {to} --fold",
            allowed="onnx, safetensors",
            remedy="`--to safetensors --fold` writes weights that the plain network takes",
        )
    control = _constant_control(results, winner)
    weights = _weights(results.path, CONSTANT, str(control["design"]))
    if weights is None:
        raise RunError(
            "keeps no weights of the control with constant gates",
            file=str(results.path),
            remedy=KEEP.format(run=results.path),
        )
    study = recorded_study(results.path, "the export of a network", data_folder)
    network = study.spare_network(study.recorded_design(control["spec"], {}, str(control["design"])))
    load_weights(network, weights)
    folding = fold_constants(network, inputs_for(network, study.data).given)
    about = about_weights(weights) | {"folded": json.dumps(dict(folding.folded))}
    notes = [*_told(folding), _whose(weights), *_compared(results)]
    if to == "safetensors":
        write_weights(path, network, about)
        return ExportedRun(path=path, notes=tuple(notes))
    free = export_network(network, image_shape(study, network), path, about)
    return ExportedRun(path=path, notes=(f"{' and '.join(free)} may have any size", *notes))


def _constant_control(results: Results, winner: pd.Series[Any]) -> pd.Series[Any]:
    """The control with constant gates of the design that is handed over.

    Raises:
        RunError: there is none.
    """
    rows = results.confirmed()
    rows = rows[(rows["role"] == Role.CONTROL) & (rows["name"] == CONSTANT)]
    document = DesignDocument.parse(winner["spec"])
    wanted = DesignDocument.of(document.blocks.mapped(constant_gates), document.placement).data()
    for _, row in rows.iterrows():
        if DesignDocument.parse(row["spec"]).data() == wanted:
            return row
    raise RunError(
        "has no control with constant gates of the design that it hands over",
        file=str(results.path),
        allowed="a confirmed run whose winner has gates",
        remedy=f"`attnspace confirm {results.path}` trains the control",
    )


def _told(folding: Folding) -> list[str]:
    """What was folded, and what was not, in sentences."""
    said = [f"{name} is a part of {into} now" for name, into in folding.folded.items()]
    said += [f"{name} is not folded: {why}" for name, why in folding.left.items()]
    if folding.biases:
        said.append(f"{', '.join(folding.biases)} is new: the plain network has no such weight")
    elif not folding.left:
        said.append("the weights are those of the plain network, by their names and shapes")
    return said


def _compared(results: Results) -> list[str]:
    """What the confirmation says of constant gates."""
    found = confirmation(results)
    return [line.removesuffix(".") for line in found.controls if "constant gates" in line] if found else []
