"""What the report shows, as frames: computed here, drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attnspace.costs.declaration import DesignCost
from attnspace.costs.measured import declared
from attnspace.objective.metrics import METRICS
from attnspace.objective.robust import clipped, outside
from attnspace.record.evaluation import Outcome, Role
from attnspace.record.results import Results

__all__ = [
    "Summary",
    "burden",
    "curves",
    "dominated_volume",
    "edf",
    "estimate_text",
    "front",
    "hypervolume",
    "leaderboard",
    "level_note",
    "shown_costs",
    "summary",
]


MARGIN = 0.06
"""How far below the worst design what lies outside is drawn, as a share of what is drawn."""


@dataclass(frozen=True)
class Summary:
    """The run in a few facts.

    Attributes:
        begun: how many designs began to train.
        trials, baselines: how many trials and baselines were trained to the end.
        failed: how many evaluations failed.
        best, best_baseline: rows of the leaderboard, None while there is none.
        gain: the estimated gain of the best trial over the best baseline, positive when better.
        above: how many trials are estimated to be better than the best baseline.
    """

    begun: int
    trials: int
    baselines: int
    failed: int
    best: pd.Series[Any] | None
    best_baseline: pd.Series[Any] | None
    gain: float | None
    above: int

    def sentence(self, metric: str) -> str:
        """The result in words, with what may not be concluded from it."""
        if self.best is None:
            return "No trial has finished yet."
        if self.best_baseline is None or self.gain is None:
            return "No baseline has finished: nothing to compare with."
        many = f"{self.begun} designs"
        if self.begun != self.trials:
            many += f", {self.trials} of them trained to the end,"
        design = f"{self.best['label']} at {self.best['placement']}"
        reached = f"an estimated {metric} of {estimate_text(self.best, metric)}"
        lead = f"Of {many} the leading one is {design}, with {reached}"
        against = f"the best baseline, {self.best_baseline['name']}, has {estimate_text(self.best_baseline, metric)}"
        return f"{lead}; {against}. It is not confirmed."


def estimate_text(row: pd.Series[Any], metric: str) -> str:
    """The estimate of a row of the leaderboard in words: with its interval, and how many seeds it has."""
    show = METRICS[metric].show
    seeds = f"{row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
    if pd.isna(row["estimate_low"]):
        return f"{show(row['estimate'])} ({seeds})"
    return f"{show(row['estimate'])} ({show(row['estimate_low'])} to {show(row['estimate_high'])}; {seeds})"


def leaderboard(results: Results) -> pd.DataFrame:
    """Finished evaluations, the best first, with `rank`, and `gain` over the best baseline, positive when better.

    Designs are ranked by the `estimate` of their mean over seeds, see `Results.ranked`. `outside` marks those that did
    far worse than all others, as where a training diverged. `shown` is the value to draw: for those it is a little
    worse than the worst of the others, so that they bend no axis.
    """
    ranked = results.ranked().copy()
    ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
    sign = 1.0 if results.direction == "maximize" else -1.0
    baselines = ranked.loc[ranked["role"] == Role.BASELINE, "estimate"]
    best = baselines.iloc[0] if len(baselines) else float("nan")
    ranked["gain"] = sign * (ranked["estimate"] - best)
    values = ranked["estimate"].to_numpy(dtype=float)
    ranked["outside"] = outside(values, sign)
    ranked["shown"] = values
    inside = values[~ranked["outside"].to_numpy()]
    if ranked["outside"].any() and len(inside):
        worst, best_value = sign * (sign * inside).min(), sign * (sign * inside).max()
        edge = worst - sign * MARGIN * max(abs(best_value - worst), 1e-3 * abs(worst), 1e-9)
        ranked.loc[ranked["outside"], "shown"] = edge
    return ranked


def level_note(board: pd.DataFrame, metric: str) -> str:
    """Why a baseline with one seed is shown with another value than it was measured at, in a sentence; else empty."""
    once = board[(board["role"] == Role.BASELINE) & (board["seeds"] == 1)]
    if once.empty:
        return ""
    shown, measured = float(once["estimate"].iloc[0]), float(once[metric].iloc[0])
    if METRICS[metric].show(shown) == METRICS[metric].show(measured):
        return ""
    return (
        f"All are on the level of the mean over all seeds: {once['name'].iloc[0]} was measured at "
        f"{METRICS[metric].show(measured)} under the first one, and designs with several seeds are "
        f"{METRICS[metric].show_gain(shown - measured)} there against it."
    )


def summary(results: Results) -> Summary:
    """The run in a few facts."""
    board = leaderboard(results)
    trials, baselines = board[board["role"] == Role.TRIAL], board[board["role"] == Role.BASELINE]
    searched = results.searched
    return Summary(
        begun=searched.loc[searched["role"] == Role.TRIAL, "design"].nunique(),
        trials=len(trials),
        baselines=len(baselines),
        failed=int((results.frame["outcome"] == Outcome.FAILED).sum()),
        best=trials.iloc[0] if len(trials) else None,
        best_baseline=baselines.iloc[0] if len(baselines) else None,
        gain=float(trials["gain"].iloc[0]) if len(trials) and len(baselines) else None,
        above=int((trials["gain"] > 0).sum()),
    )


def burden(results: Results) -> DesignCost:
    """The cost that quality is plotted against: the first one that is an objective of the study, else parameters."""
    costs = declared()
    return next((costs[metric] for metric in results.goals if metric in costs), costs["params"])


def shown_costs(results: Results) -> list[DesignCost]:
    """The costs that the study names, as objectives or limits."""
    limits = results.study["objective"].get("subject_to") or {}
    return [
        cost
        for name, cost in declared().items()
        if name in results.goals or any(limits.get(limit) is not None for limit in (name, f"{name}_overhead"))
    ]


def front(results: Results) -> pd.DataFrame:
    """Cost and estimated metric of each finished evaluation; `pareto` marks those that none beats in both, of those
    that do not lie outside.

    `size` is the cost added to the plain backbone, at least 1 so that a logarithm can be taken of it. It is the whole
    cost where the plain backbone is missing, and for costs that are times.
    """
    cost = burden(results)
    board = leaderboard(results).sort_values([cost.name, "rank"], kind="stable")
    sign = 1.0 if results.direction == "maximize" else -1.0
    quality = (sign * board["estimate"]).where(~board["outside"], -np.inf)
    best_of_smaller = quality.cummax().shift(fill_value=-np.inf)
    if cost.timed:
        board["size"] = board[cost.name]
    else:
        board["size"] = board[f"{cost.name}_added"].fillna(board[cost.name]).clip(lower=1)
    board["pareto"] = quality > best_of_smaller
    return board


def hypervolume(results: Results) -> pd.DataFrame:
    """How far the Pareto front has come: `epochs` trained so far, and the `share` of a box that is dominated by then.

    The box lies between the worst and the best value of each objective over all designs trained to the end, where
    values that lie outside (see `attnspace.objective.robust`) count as the worst that do not. Empty with one objective,
    or one design. Source: Zitzler and Thiele, IEEE Transactions on Evolutionary Computation 3(4), 1999.
    """
    searched = results.searched
    before = searched.groupby(["design", "seed"])["epochs"].shift(fill_value=0)
    spent = (searched["epochs"] - before).cumsum()
    done = searched[(searched["outcome"] == Outcome.DONE) & searched[list(results.goals)].notna().all(axis=1)]
    if len(results.goals) < 2 or len(done) < 2:
        return pd.DataFrame({"epochs": [], "share": []})
    goals, signs = list(results.goals), [1.0 if way == "maximize" else -1.0 for way in results.goals.values()]
    columns = [clipped(done[goal].to_numpy(dtype=float), sign) * sign for goal, sign in zip(goals, signs, strict=True)]
    points = np.stack(columns, axis=1)
    low, span = points.min(0), np.ptp(points, axis=0)
    scaled = (points - low) / np.where(span > 0, span, 1.0)
    scaled[:, span == 0] = 1.0
    shares: list[float] = []
    known = np.empty((0, scaled.shape[1]))
    for point in scaled:
        if not len(known) or not (known >= point).all(1).any():
            known = np.vstack([known[~(point >= known).all(1)], point])
            shares.append(max(dominated_volume(known), shares[-1] if shares else 0.0))
        else:
            shares.append(shares[-1])
    return pd.DataFrame({"epochs": spent[done.index].to_numpy(), "share": shares})


def dominated_volume(points: np.ndarray) -> float:
    """The volume between 0 and the points, more being better.

    Shape:
        points: (n, objectives)
    """
    if points.shape[1] == 1:
        return float(points.max(initial=0.0))
    order = points[np.argsort(-points[:, -1], kind="stable")]
    depths = order[:, -1] - np.append(order[1:, -1], 0.0)
    return sum(depth * dominated_volume(order[: n + 1, :-1]) for n, depth in enumerate(depths) if depth > 0)


def curves(results: Results, top: int = 5) -> pd.DataFrame:
    """Metric by epoch, one row each, for the baselines and the best `top` trials: `curve`, `role`, `epoch`, `value`."""
    board = leaderboard(results)
    chosen = pd.concat([board[board["role"] == Role.BASELINE], board[board["role"] == Role.TRIAL].head(top)])
    rows = [
        {
            "curve": row["name"] or f"#{row['rank']} {row['label']} [{row['placement']}]",
            "role": row["role"],
            "epoch": epoch["epoch"],
            "value": epoch[results.metric],
        }
        for _, row in chosen.iterrows()
        for epoch in row["history"]
    ]
    return pd.DataFrame(rows, columns=["curve", "role", "epoch", "value"])


def edf(results: Results) -> pd.DataFrame:
    """Empirical distribution of the trials' estimates: `value` and the share of trials that are no better, `share`;
    empty where there is one trial. Values are those `shown`, see `leaderboard`; `outside` marks those that lie outside.

    Source: Radosavovic et al., On Network Design Spaces for Visual Recognition, arXiv 1905.13214, section 3.
    """
    board = leaderboard(results)
    trials = board[board["role"] == Role.TRIAL].iloc[::-1]
    if len(trials) < 2:
        trials = trials.head(0)
    shares = np.arange(1, len(trials) + 1) / max(1, len(trials))
    return pd.DataFrame({"value": trials["shown"].to_numpy(), "share": shares, "outside": trials["outside"].to_numpy()})
