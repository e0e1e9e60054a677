"""What is known of the trials of a search: the values that designs reached, and those expected of them at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attnspace.objective.forecast import Forecast
from attnspace.objective.robust import clipped, outside
from attnspace.record.evaluation import Outcome, Role
from attnspace.record.results import Results

__all__ = ["Known", "known_at_rungs", "observations"]


def _at_rungs(row: pd.Series[Any], rungs: Sequence[int], metric: str, sign: float) -> dict[int, float]:
    """The known values of a training, by rung. A training loop of the user's may report only some epochs."""
    said = {entry["epoch"]: entry[metric] for entry in row["history"]} | {row["epochs"]: row[metric]}
    return {rung: sign * said[rung] for rung in rungs if said.get(rung) is not None}


@dataclass(frozen=True)
class Known:
    """What trials reached at the rungs of epochs and at the end, more being better.

    Attributes:
        rungs: their epochs, the end being the last one.
        rows: the furthest row of each design and seed.
        values: for each of these rows, epochs -> value; what lies outside counts with the worst value that does not.
        outside: for each of them, whether some value lay outside.
    """

    rungs: list[int]
    rows: pd.DataFrame
    values: list[dict[int, float]]
    outside: list[bool]


def known_at_rungs(results: Results) -> Known:
    """What trials reached at the rungs of epochs and at the end."""
    rows = results.searched
    rows = rows[(rows["role"] == Role.TRIAL) & (rows["outcome"] != Outcome.FAILED)]
    rungs = sorted({int(epochs) for epochs in rows["epochs"]} | {int(results.searched["epochs"].max())})
    sign = 1.0 if results.direction == "maximize" else -1.0
    furthest = rows.sort_values("epochs", kind="stable").groupby(["design", "seed"], sort=False).tail(1).sort_index()
    values = [_at_rungs(row, rungs, results.metric, sign) for _, row in furthest.iterrows()]
    return Known(rungs, furthest, values, _clip(values, rungs))


def observations(results: Results) -> pd.DataFrame:
    """One row for each design of the trials, in their order: `design`, `choices`, `first`, `last`, `ended`, `outside`.

    `first` is the design's value after the first rung, `last` that at the end, more being better. Where the design did
    not get to the end (`ended` is false), `last` is the value expected there. One that lies `outside` the others at a
    rung counts with the worst value there that does not.
    """
    known_there = known_at_rungs(results)
    rungs, furthest, values, is_outside = known_there.rungs, known_there.rows, known_there.values, known_there.outside
    forecast = Forecast(rungs)
    for number, known in enumerate(values):
        forecast.learn(str(number), known)
    table = pd.DataFrame(
        {
            "design": furthest["design"],
            "choices": furthest["choices"],
            "first": [known[min(known)] for known in values],
            "last": [known.get(rungs[-1], forecast(max(known), known[max(known)])) for known in values],
            "ended": [rungs[-1] in known for known in values],
            "outside": is_outside,
        },
        columns=["design", "choices", "first", "last", "ended", "outside"],
    )
    # Further seeds of a design are one observation.
    by_design = table.groupby("design", sort=False)
    means = by_design[["first", "last"]].mean()
    return by_design.head(1).set_index("design").assign(**means, outside=by_design["outside"].any()).reset_index()


def _clip(values: Sequence[dict[int, float]], rungs: Sequence[int]) -> list[bool]:
    """Clip known values at each rung, more being better, in place; say of each training whether one lay outside."""
    found = [False] * len(values)
    for rung in rungs:
        there = [i for i, known in enumerate(values) if rung in known]
        reached = np.array([values[i][rung] for i in there], dtype=float)
        if not np.isfinite(reached).any():
            reached = np.zeros_like(reached)  # nothing is known at all, and every design is as bad as the others
        for i, is_out, value in zip(there, outside(reached, 1.0), clipped(reached, 1.0), strict=True):
            values[i][rung] = float(value)
            found[i] = found[i] or bool(is_out)
    return found
