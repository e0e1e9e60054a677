"""A run's confirmation as statistics: scores of paired seeds, comparisons, and the verdict in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from attnspace.results import Results
from attnspace.statistics import Comparison, compare, overall, summary

__all__ = ["Confirmation", "confirmation"]


@dataclass(frozen=True)
class Confirmation:
    """What a confirmation found.

    Attributes:
        scores: test accuracy, one row for each seed, one column for each name.
        designs: name, role, label, placement, n, mean, sd, low, high (95% interval of the mean), params_added.
        comparisons: of each of the best designs with each baseline and control.
        verdict: of the best design against the best baseline, in one sentence.
        seeds: how many were asked for.
    """

    scores: pd.DataFrame
    designs: pd.DataFrame
    comparisons: list[Comparison]
    verdict: str
    seeds: int
