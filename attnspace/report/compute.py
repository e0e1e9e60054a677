"""What the report shows, as frames: computed here, drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attnspace.results import Results

__all__ = ["Summary", "curves", "edf", "front", "leaderboard", "summary"]


@dataclass(frozen=True)
class Summary:
    """The run in a few facts.

    Attributes:
        trials, baselines: finished evaluations.
        failed: evaluations that failed.
        best, best_baseline: rows of the leaderboard, None while there is none.
        gain: of the best trial over the best baseline, positive when better.
        above: trials that are better than the best baseline.
    """

    trials: int
    baselines: int
    failed: int
    best: pd.Series[Any] | None
    best_baseline: pd.Series[Any] | None
    gain: float | None
    above: int

    def sentence(self, metric: str) -> str:
        """What may be said of the result, and what may not."""
        if self.best is None:
            return "No trial has finished yet."
        if self.best_baseline is None or self.gain is None:
            return "No baseline has finished: nothing to compare with."
        lead = f"The best of {self.trials} designs reaches {metric} {self.best[metric]:.4f}"
        against = f"the best baseline, {self.best_baseline['name']}, {self.best_baseline[metric]:.4f}"
        caution = "Each was trained once, with one seed: the best of many is partly luck, and nothing is confirmed."
        return f"{lead}; {against}. {caution}"


def leaderboard(results: Results) -> pd.DataFrame:
    """Finished evaluations, the best first: `rank`, and `gain` against the best baseline, positive when better."""
    ranked = results.ranked().copy()
    ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
    sign = 1.0 if results.direction == "maximize" else -1.0
    baselines = ranked.loc[ranked["role"] == "baseline", results.metric]
    best = baselines.iloc[0] if len(baselines) else float("nan")
    ranked["gain"] = sign * (ranked[results.metric] - best)
    return ranked


def summary(results: Results) -> Summary:
    """The run in a few facts."""
    board = leaderboard(results)
    trials, baselines = board[board["role"] == "trial"], board[board["role"] == "baseline"]
    return Summary(
        trials=len(trials),
        baselines=len(baselines),
        failed=int((results.frame["outcome"] == "failed").sum()),
        best=trials.iloc[0] if len(trials) else None,
        best_baseline=baselines.iloc[0] if len(baselines) else None,
        gain=float(trials["gain"].iloc[0]) if len(trials) and len(baselines) else None,
        above=int((trials["gain"] > 0).sum()),
    )


def front(results: Results) -> pd.DataFrame:
    """Size and metric of each finished evaluation; `pareto` marks those that none beats in both.

    `size` is the number of parameters added to the plain backbone, at least 1 so that a logarithm can be taken of it;
    all parameters where the plain backbone is missing.
    """
    board = leaderboard(results).sort_values(["params", "rank"], kind="stable")
    sign = 1.0 if results.direction == "maximize" else -1.0
    quality = sign * board[results.metric]
    best_of_smaller = quality.cummax().shift(fill_value=-np.inf)
    board["size"] = board["params_added"].fillna(board["params"]).clip(lower=1)
    board["pareto"] = quality > best_of_smaller
    return board


def curves(results: Results, top: int = 5) -> pd.DataFrame:
    """Metric by epoch, one row each, for the baselines and the best `top` trials: `curve`, `role`, `epoch`, `value`."""
    board = leaderboard(results)
    chosen = pd.concat([board[board["role"] == "baseline"], board[board["role"] == "trial"].head(top)])
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
    """Empirical distribution of the trials: `value` and the share of trials that are no better, `share`.

    Source: Radosavovic et al., On Network Design Spaces for Visual Recognition, arXiv 1905.13214, section 3.
    """
    trials = results.ranked().query("role == 'trial'")
    values = np.sort(trials[results.metric].to_numpy(dtype=float))
    if results.direction == "minimize":
        values = values[::-1]
    return pd.DataFrame({"value": values, "share": np.arange(1, len(values) + 1) / max(1, len(values))})
