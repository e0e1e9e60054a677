"""Which design of a run is handed over, as users ask for it, and whose weights are kept beside its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from attnspace.analysis.recommendation import Recommendation
from attnspace.analysis.verdict import confirmation
from attnspace.record.evaluation import Outcome, Role
from attnspace.record.results import PLAIN, Results, load

__all__ = ["CONSTANT", "WINNER", "frame", "handed_over", "kept_designs", "recommend"]

WINNER, BEST_BASELINE, PLAIN_NETWORK, CONSTANT = "winner", "best_baseline", "plain", "constant"
"""What networks are called whose weights are kept; `constant` is the control with constant gates."""


def frame(run: str | Path) -> pd.DataFrame:
    """One row for each time that a design reached a rung or the end, in that order.

    Columns:
        number, phase (`search`, `confirm`, or `recipe` for a check at other learning rates), trial (its number)
        role (`baseline`, `trial` or `control`), name, label, placement
        outcome (`done`, `paused` at a rung, or `failed`), reason
        val_accuracy, val_loss, train_loss: of the last epoch trained; test_accuracy, test_loss: of a confirmation
        params, flops, activation_bytes: of the network; with `_added`: against the plain backbone
        latency_ms, latency_low_ms, latency_high_ms: where they were asked for
        seed, epochs (trained so far), train_s, total_s (since the rung before), finished
        design, protocol: identities
        spec (`{block, placement}`), choices (hole -> option), history (one mapping an epoch), environment (versions and
            device; `lr` of a recipe check, and `weights` where there is a reason why none were kept): Python objects
        worker
        split: which draw of training and validation images it was trained on; missing for the study's own
        handed_over: whether it is the design that `winner.json` holds: what the confirmation recommends, and before a
            confirmation the leading design of the search

    Raises:
        RunError: no such run.
    """
    results = load(run)
    winner = handed_over(results)
    return results.frame.assign(handed_over=results.frame["design"] == ("" if winner is None else winner["design"]))


def recommend(run: str | Path) -> Recommendation | None:
    """What the confirmation of a run recommends, in numbers and in a sentence; None where the run has none.

    Raises:
        RunError: no such run.
    """
    confirmed = confirmation(load(run))
    return None if confirmed is None else confirmed.recommendation


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
    winner, confirmed, found = handed_over(results), confirmation(results), {}
    if winner is not None:
        found[WINNER] = str(winner["design"])
    if confirmed is not None and confirmed.decision.rival is not None:
        found[BEST_BASELINE] = confirmed.identities[confirmed.decision.rival]
    named = {
        PLAIN_NETWORK: rows[(rows["role"] == Role.BASELINE) & (rows["name"] == PLAIN)],
        CONSTANT: rows[(rows["role"] == Role.CONTROL) & (rows["name"] == CONSTANT)],
    }
    return found | {name: str(part["design"].iloc[-1]) for name, part in named.items() if len(part)}
