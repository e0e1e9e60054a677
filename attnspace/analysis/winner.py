"""The file `winner.json`: the design that a run hands over, as `attnspace.insert_design` takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attnspace.analysis.verdict import confirmation
from attnspace.documents.writing import write_text
from attnspace.objective.metrics import METRICS
from attnspace.record.results import Results

__all__ = ["winner_data", "winner_text", "write_winner"]


def write_winner(results: Results) -> Path | None:
    """Write `winner.json` into the run directory; None while there is nothing to hand over.

    Raises:
        RunFailed: the directory cannot be written.
    """
    found = winner_data(results)
    if found is None:
        return None
    path = results.path / "winner.json"
    write_text(path, winner_text(found))
    return path


def winner_text(found: Mapping[str, Any]) -> str:
    """The content of `winner.json` as text."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def winner_data(results: Results) -> dict[str, Any] | None:
    """The content of `winner.json`: what the confirmation recommends, else the leading design of the search.

    Where the plain network is recommended it holds the identity, which changes nothing in a model.
    """
    name, confirmed = f"{results.study['name']}-winner", confirmation(results)
    if confirmed and confirmed.recommendation:
        subject = confirmed.recommendation.subject
        return {"name": name, "doc": confirmed.recommendation.sentence, **_design(subject.spec)}
    leader = results.winner()
    if leader is None:
        return None
    seeds = f"seed {leader['seed']}" if leader["seeds"] == 1 else f"{leader['seeds']} seeds"
    value = METRICS[results.metric].show(leader["estimate"])
    reached = f"estimated {results.metric} {value} after {leader['epochs']} epochs, {seeds}"
    doc = f"{leader['label']} at {leader['placement']}: {reached}. The leading design of the search, not yet confirmed."
    return {"name": name, "doc": doc, **_design(leader["spec"])}


def _design(spec: Any) -> dict[str, Any]:
    return {"placement": spec["placement"], "block": spec["block"]}
