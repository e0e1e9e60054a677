"""What is estimated of each design's mean over seeds, from the rows of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attnspace.objective.estimate import estimate
from attnspace.objective.metrics import Direction
from attnspace.record.evaluation import Role

__all__ = ["estimated"]


def estimated(done: pd.DataFrame, metric: str, direction: Direction) -> pd.DataFrame:
    """The estimated mean of a metric over seeds, `estimate`, and the ends of its 95% interval, `estimate_low` and
    `estimate_high`.

    Trials are drawn together by as much as luck drove them apart. Baselines are not drawn from the space: theirs is the
    mean of their own scores. Both are on one level, that of the mean over all seeds.

    Args:
        done: rows of trainings that reached the end, in the order in which they ended.
        metric: what is estimated.
        direction: which way is better.

    Returns:
        one row for each design, by `design`; the interval is NaN while noise is not known.
    """
    sign = 1.0 if direction == "maximize" else -1.0
    scores = sign * done.pivot(index="design", columns="seed", values=metric).astype(float)
    scores = scores[list(done["seed"].unique())]  # the first seed, which all were trained under, comes first
    is_trial = (done.groupby("design")["role"].first() == Role.TRIAL).reindex(scores.index)
    seeds = scores.notna().sum(axis=1)
    found = estimate(scores[is_trial].to_numpy())
    half = found.half_width(seeds.to_numpy())
    means = (scores.mean(axis=1) + found.shift * (seeds == 1)).to_numpy()
    ends = {"estimate": means, "estimate_low": means - half, "estimate_high": means + half}
    table = pd.DataFrame(ends, index=scores.index)
    table.loc[is_trial, list(ends)] = np.stack([found.means, *found.interval()], axis=1)
    return (
        table
        if sign > 0
        else (-table).rename(columns={"estimate_low": "estimate_high", "estimate_high": "estimate_low"})
    )
