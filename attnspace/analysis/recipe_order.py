"""Whether the order of designs holds at other learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from attnspace.analysis.intervals import over_seeds
from attnspace.analysis.significance import FEWEST
from attnspace.objective.metrics import METRICS
from attnspace.record.evaluation import Phase
from attnspace.record.results import PLAIN, Results

__all__ = ["RATE", "RecipeOrder", "recipe_order"]

RATE = "lr"
"""Where the environment of a row says which learning rate it was trained at."""


@dataclass(frozen=True)
class RecipeOrder:
    """The confirmed best against the best baseline and the plain network, at several learning rates.

    Attributes:
        table: one row for each rate and other design: `times` the study's rate, `other`, `n` seeds, `difference` of the
            metric on validation images, positive where the confirmed best is better, and the ends `low` and `high` of
            its 95% interval over seeds, NaN with fewer than four.
        holds: whether the intervals of one design's differences lie on one side of 0 at every rate; False where two of
            them lie on two sides; None where neither is shown.
        sentence: all of it in words.
    """

    table: pd.DataFrame
    holds: bool | None
    sentence: str


def recipe_order(results: Results, seeds: Sequence[int], shown: Mapping[str, str]) -> RecipeOrder | None:
    """What the recipe check of a run says of some designs; None if they were not checked.

    Args:
        results: of the run.
        seeds: those of the confirmation.
        shown: identity -> name of the confirmed best, which comes first, and of those that it is compared with.
    """
    best, *others = shown
    rows = results.frame[results.frame["phase"] == Phase.RECIPE]
    rows = rows[rows["seed"].isin(seeds) & rows["design"].isin(shown)]
    if not {best} < set(rows["design"]):
        return None
    base = float(results.study["train"]["lr"])
    known = rows.assign(times=[float(environment[RATE]) / base for environment in rows["environment"]])
    confirmed = results.confirmed()
    own = confirmed[confirmed["design"].isin(known["design"]) & confirmed["seed"].isin(known["seed"])].assign(times=1.0)
    every = pd.concat([known, own])
    sign = 1.0 if results.direction == "maximize" else -1.0
    table = []
    for times in sorted(every["times"].unique()):
        part = every[every["times"] == times]
        scores = sign * part.pivot(index="seed", columns="design", values=results.metric).astype(float)
        for other in others:
            both = scores.reindex(columns=[best, other]).dropna()
            gaps = (both[best] - both[other]).to_numpy()
            interval = over_seeds(gaps)
            row = {"times": times, "other": shown[other], "n": len(gaps)}
            gap = float(gaps.mean()) if len(gaps) else float("nan")
            table.append({**row, "difference": gap, "low": interval.low, "high": interval.high})
    found = pd.DataFrame(table)
    holds = _holds(found)
    return RecipeOrder(found, holds, _sentence(found, holds, shown[best], results.metric))


def _holds(table: pd.DataFrame) -> bool | None:
    sides = table.assign(side=np.where(table["low"] > 0, 1, np.where(table["high"] < 0, -1, 0)))
    of_each = [set(part) for _, part in sides.groupby("other")["side"]]
    if any({1, -1} <= found for found in of_each):
        return False
    return True if all(len(found) == 1 and 0 not in found for found in of_each) else None


def _sentence(table: pd.DataFrame, holds: bool | None, label: str, metric: str) -> str:
    show = METRICS[metric].show_gain
    unit = " points" if METRICS[metric].share else ""
    parts = []
    for times in table["times"].unique():
        part = table[table["times"] == times]
        gaps = [
            f"{show(row['difference'])}{unit}{_ends(row, metric)} against "
            f"{'the plain network' if row['other'] == PLAIN else row['other']}"
            if row["n"]
            else f"without a comparison with {row['other']}, since trainings failed"
            for _, row in part.iterrows()
        ]
        parts.append(f"{_times(times)} {' and '.join(gaps)}")
    seeds = int(table["n"].max())
    fewer = seeds < FEWEST
    said = f"whether the order holds cannot be told with {'fewer than four' if fewer else 'so few'} seeds"
    if holds is not None:
        said = "the order holds" if holds else "the order changes with the recipe"
    many = f"{seeds} seed{'s' if seeds > 1 else ''}"
    return f"Recipe check, {many}, {metric} of {label}: {'; '.join(parts)}. Thus {said}."


def _ends(row: pd.Series[Any], metric: str) -> str:
    if math.isnan(row["low"]):
        return ""
    show = METRICS[metric].show_gain
    return f" ({show(row['low'])} to {show(row['high'])})"


def _times(times: float) -> str:
    if abs(times - 1) < 1e-9:
        return "at the study's learning rate"
    share = Fraction(times).limit_denominator(100)
    return f"at {share} times the learning rate"
