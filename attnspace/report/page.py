"""The report as one HTML file that needs no other file and no internet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
import yaml
from plotly.offline import get_plotlyjs

from attnspace.analysis.importance import importance
from attnspace.analysis.recommendation import where
from attnspace.analysis.rungs import rungs
from attnspace.analysis.verdict import Confirmation, confirmation
from attnspace.costs.declaration import DesignCost
from attnspace.costs.measured import declared
from attnspace.documents.writing import write_text
from attnspace.language.difference import diff
from attnspace.language.specs import dump_spec, load_spec, parse_blocks
from attnspace.objective.metrics import METRICS
from attnspace.record.evaluation import Outcome, Phase, Role
from attnspace.record.results import Results
from attnspace.report.compute import hypervolume, leaderboard, level_note, shown_costs, summary
from attnspace.report.figures import (
    confirmation_figure,
    curves_figure,
    edf_figure,
    effects_figure,
    front_figure,
    hypervolume_figure,
    shares_figure,
)

__all__ = ["render", "write_report"]

SHOWN = 25
"""How many rows the leaderboard shows besides the baselines."""


def write_report(results: Results) -> Path:
    """Write `report.html` into the run directory.

    Raises:
        RunFailed: the file cannot be written.
    """
    path = results.path / "report.html"
    write_text(path, render(results))
    return path


def render(results: Results) -> str:
    """The report's HTML."""
    board = leaderboard(results)
    facts = summary(results)
    shown = board[(board["rank"] <= SHOWN) | (board["role"] == Role.BASELINE)]
    failed = results.frame[results.frame["outcome"] == Outcome.FAILED]
    confirmed, matters, volume = confirmation(results), importance(results), hypervolume(results)
    costs = _listed_costs(results, shown)
    own = results.frame[results.frame["phase"] != Phase.RECIPE]  # which has other learning rates
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = (files("attnspace.report") / "page.html").read_text("utf-8")
    return template.from_string(page).render(
        study=results.study,
        metric=results.metric,
        sentence=confirmed.sentence if confirmed else facts.sentence(results.metric),
        confirmed=confirmed,
        confirmed_rows=[_confirmed_row(row) for _, row in confirmed.designs.iterrows()] if confirmed else [],
        confirmed_interval=confirmed.interval if confirmed else "",
        comparisons=[_comparison(row) for _, row in confirmed.comparisons.iterrows()] if confirmed else [],
        confirmation=_html(confirmation_figure(confirmed)) if confirmed else "",
        matters=matters,
        shares=_html(shares_figure(matters.holes)) if matters and matters.predicts else "",
        effects=_html(effects_figure(matters, results.metric))
        if matters and matters.predicts and len(matters.effects)
        else "",
        hypervolume=_html(hypervolume_figure(volume)) if len(volume) else "",
        goals=results.goals,
        facts=facts,
        costs=costs,
        rows=[_row(row, results.metric, costs) for _, row in shown.iterrows()],
        hidden=len(board) - len(shown),
        level=level_note(board, results.metric),
        failed=[
            {"name": r["name"] or r["label"], "placement": r["placement"], "reason": r["reason"]}
            for _, r in failed.iterrows()
        ],
        winner=_winner(confirmed, facts.best),
        outside=_outside(int(board["outside"].sum())),
        front=_html(front_figure(results)) if len(board) > 1 else "",
        curves=_html(curves_figure(results)) if _has_curves(board) else "",
        rungs=rungs(results),
        edf=_html(edf_figure(results)) if facts.trials > 1 else "",
        images=_images(results.images()),
        study_text=yaml.safe_dump(dict(results.study), sort_keys=False, allow_unicode=True),
        environment=own["environment"].iloc[-1] if len(own) else {},
        training_s=float(results.frame["train_s"].sum()),
        plotly=get_plotlyjs(),
    )


def _outside(number: int) -> str:
    """How many designs lie outside, in a sentence; empty where none does."""
    if not number:
        return ""
    many, its = ("1 design is", "it is") if number == 1 else (f"{number} designs are", "they are")
    return (
        f"{many} far worse than the others and outside of what is drawn: {its} marked by triangles, with hover texts."
    )


def _has_curves(board: pd.DataFrame) -> bool:
    """Whether some design has a value after more than one epoch: a curve is not drawn of one."""
    return any(len(history) > 1 for history in board["history"])


def _listed_costs(results: Results, shown: pd.DataFrame) -> list[DesignCost]:
    """The costs besides parameters that have a column in the leaderboard: the usual ones, and those the study names."""
    asked = shown_costs(results)
    return [
        cost
        for name, cost in declared().items()
        if name != "params" and (cost.listed or cost in asked) and shown[name].notna().any()
    ]


def _images(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The table of classes and splits, and the notes; None where a run has kept none."""
    if not found or not sum(map(sum, found["counts"].values())):
        return None
    counts = found["counts"]
    shown = list(zip(found["classes"], *counts.values(), strict=True))
    return {
        "splits": list(counts),
        "totals": [f"{sum(split):,}" for split in counts.values()],
        "rows": [(name, [f"{count:,}" for count in row]) for name, *row in shown],
        "notes": found["notes"],
    }


def _row(row: pd.Series[Any], metric: str, costs: Sequence[DesignCost]) -> dict[str, Any]:
    show = METRICS[metric].show
    return {
        "rank": row["rank"],
        "role": row["role"],
        "name": row["name"] or row["label"],
        "placement": row["placement"],
        "value": show(row["estimate"]),
        "interval": ""
        if pd.isna(row["estimate_low"])
        else f"{show(row['estimate_low'])} to {show(row['estimate_high'])}",
        "gain": "" if pd.isna(row["gain"]) else METRICS[metric].show_gain(row["gain"]),
        **_sizes(row),
        "costs": ["" if pd.isna(row[cost.name]) else cost.compact.show(row[cost.name]) for cost in costs],
        "train_s": f"{row['train_s']:.1f}",
        "seeds": row["seeds"],
        "design": row["design"],
    }


def _confirmed_row(row: pd.Series[Any]) -> dict[str, Any]:
    return {
        **row,
        "mean": f"{100 * row['mean']:.2f}",
        "interval": _ends(row, ".2f"),
        "sd": f"{100 * row['sd']:.2f}",
        **_sizes(row),
    }


def _sizes(row: pd.Series[Any]) -> dict[str, str]:
    """Parameters, and those added to the plain backbone, as text."""
    added = row["params_added"]
    return {"params": f"{int(row['params']):,}", "added": "" if pd.isna(added) else f"{int(added):+,}"}


def _comparison(row: pd.Series[Any]) -> dict[str, Any]:
    return {
        **row,
        "difference": f"{100 * row['difference']:+.2f}",
        "interval": _ends(row, "+.2f"),
        "what": row["interval"],
        "p": "" if pd.isna(row["p"]) else f"{row['p']:.3g}",
    }


def _ends(row: pd.Series[Any], form: str) -> str:
    """An interval in points; empty where none is claimed."""
    return "" if pd.isna(row["low"]) else f"{100 * row['low']:{form}} to {100 * row['high']:{form}}"


def _winner(confirmed: Confirmation | None, leader: pd.Series[Any] | None) -> dict[str, Any] | None:
    """The design that is handed over: what the confirmation recommends, else the leading design of the search."""
    if confirmed and confirmed.recommendation:
        found = confirmed.recommendation
        heading = "The design in question" if found.outcome == "undecided" else "The recommended design"
        subject = found.subject
        return _drawn(heading, subject.called, where(subject.spec["placement"]), subject.spec, subject.kind == "plain")
    if leader is None:
        return None
    heading = "The leading design, not confirmed"
    return _drawn(heading, leader["label"], leader["placement"], leader["spec"], is_plain=False)


def _drawn(heading: str, label: str, placement: str, spec: Mapping[str, Any], is_plain: bool) -> dict[str, Any]:
    parts = [] if is_plain else parse_blocks(spec["block"]).titled()
    reference = load_spec("se")
    return {
        "heading": heading,
        "label": label,
        "placement": "" if is_plain else placement,
        "parts": [
            {
                "title": title,
                "drawing": block._repr_html_(),
                "spec": json.dumps(dump_spec(block), indent=2),
                "diff": diff(reference, block),
            }
            for title, block in parts
        ],
    }


def _html(figure: go.Figure) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True}
    )
    return html
