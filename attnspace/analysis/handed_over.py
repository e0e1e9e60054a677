"""Which design of a run is handed over, and whose weights are kept beside its own."""

from __future__ import annotations

from typing import Any

import pandas as pd

from attnspace.analysis.verdict import confirmation
from attnspace.record.evaluation import Outcome, Role
from attnspace.record.results import PLAIN, Results

__all__ = ["CONSTANT", "WINNER", "handed_over", "kept_designs"]

WINNER, BEST_BASELINE, PLAIN_NETWORK, CONSTANT = "winner", "best_baseline", "plain", "constant"
"""What networks are called whose weights are kept; `constant` is the control with constant gates."""


def handed_over(results: Results) -> pd.Series[Any] | None:
    """The row of the design that winner.json holds and `export` writes; None while there is none."""
    confirmed = confirmation(results)
    if confirmed is None or confirmed.recommendation is None:
        return results.winner()
    design = confirmed.recommendation.subject.design
    return results.frame[results.frame["design"] == design].iloc[-1]


def kept_designs(results: Results) -> dict[str, str]:
    """Whose weights are kept when a confirmation ends: a name, such as `winner` -> the identity of the design."""
    rows = results.confirmed()
    rows = rows[rows["outcome"] == Outcome.DONE]
    winner, found = handed_over(results), {}
    if winner is not None:
        found[WINNER] = str(winner["design"])
    scores = rows[rows["role"] == Role.BASELINE].groupby("design", sort=False)["test_accuracy"].mean().dropna()
    if len(scores):
        found[BEST_BASELINE] = str(scores.idxmax())
    named = {
        PLAIN_NETWORK: rows[(rows["role"] == Role.BASELINE) & (rows["name"] == PLAIN)],
        CONSTANT: rows[(rows["role"] == Role.CONTROL) & (rows["name"] == CONSTANT)],
    }
    return found | {name: str(part["design"].iloc[-1]) for name, part in named.items() if len(part)}
