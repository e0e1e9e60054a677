"""Whether the order of designs holds at other learning rates."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from attnspace.objective.metrics import METRICS
from attnspace.record.evaluation import Phase, Role
from attnspace.record.results import PLAIN, Results

__all__ = ["RATE", "RecipeOrder", "recipe_order"]

RATE = "lr"
"""Where the environment of a row says which learning rate it was trained at."""


@dataclass(frozen=True)
class RecipeOrder:
    """The confirmed best against the best baseline and the plain network, at several learning rates.

    Attributes:
        table: one row for each rate and other design: `times` the study's rate, `other`, `n` seeds, `difference` of the
            metric on validation images, positive where the confirmed best is better.
        holds: whether all differences with one design have one sign, at every rate; None where a rate has none.
        sentence: all of it in words.
    """

    table: pd.DataFrame
    holds: bool | None
    sentence: str


def recipe_order(results: Results) -> RecipeOrder | None:
    """What the recipe check of a run says; None if it has none."""
    rows = results.frame[results.frame["phase"] == Phase.RECIPE]
    if rows.empty:
        return None
    base = float(results.study["train"]["lr"])
    known = rows.assign(times=[float(environment[RATE]) / base for environment in rows["environment"]])
    confirmed = results.confirmed()
    own = confirmed[confirmed["design"].isin(known["design"]) & confirmed["seed"].isin(known["seed"])].assign(times=1.0)
    every = pd.concat([known, own])
    called = every.groupby("design", sort=False).head(1).set_index("design")
    best = next((str(design) for design, row in called.iterrows() if row["role"] == Role.TRIAL), None)
    others = [str(design) for design, row in called.iterrows() if row["role"] == Role.BASELINE]
    if best is None or not others:
        return None
    sign = 1.0 if results.direction == "maximize" else -1.0
    table = []
    for times in sorted(every["times"].unique()):
        part = every[every["times"] == times]
        scores = sign * part.pivot(index="seed", columns="design", values=results.metric).astype(float)
        for other in others:
            both = scores.reindex(columns=[best, other]).dropna()
            gap = float((both[best] - both[other]).mean()) if len(both) else float("nan")
            name = str(called.loc[other, "name"])
            table.append({"times": times, "other": name, "n": len(both), "difference": gap})
    found = pd.DataFrame(table)
    holds = _holds(found)
    return RecipeOrder(found, holds, _sentence(found, holds, str(called.loc[best, "label"]), results.metric))


def _holds(table: pd.DataFrame) -> bool | None:
    if table["difference"].isna().any():
        return None
    return all((part > 0).all() or (part < 0).all() for _, part in table.groupby("other")["difference"])


def _sentence(table: pd.DataFrame, holds: bool | None, label: str, metric: str) -> str:
    show = METRICS[metric].show_gain
    unit = " points" if METRICS[metric].share else ""
    parts = []
    for times in table["times"].unique():
        part = table[table["times"] == times]
        gaps = [
            f"{show(row['difference'])}{unit} against {'the plain network' if row['other'] == PLAIN else row['other']}"
            if row["n"]
            else f"without a comparison with {row['other']}, since trainings failed"
            for _, row in part.iterrows()
        ]
        parts.append(f"{_times(times)} {' and '.join(gaps)}")
    said = "whether the order holds cannot be told"
    if holds is not None:
        said = "the order holds" if holds else "the order changes with the recipe"
    seeds = int(table["n"].max())
    many = f"{seeds} seed{'s' if seeds > 1 else ''}"
    return f"Recipe check, {many}, {metric} of {label}: {'; '.join(parts)}. Thus {said}."


def _times(times: float) -> str:
    if abs(times - 1) < 1e-9:
        return "at the study's learning rate"
    share = Fraction(times).limit_denominator(100)
    return f"at {share} times the learning rate"
