"""The recorded tables as benchmarks: which designs are truly good, by seeds that a search did not see.

A search is given the seeds of a window, in turn another for each repetition. Its design is judged on the other seeds,
one by one, and so is the reference: the design that is best in the mean of all seeds but the one that judges. So a
search that hands over the best design has a regret of 0 in expectation, and the luck of no seed counts for any side.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from attnspace.study.loading import prepare
from attnspace.study.study import Study
from tests.benchmarks.recorded_table import variances

__all__ = ["NAMES", "Judge", "judge", "study"]

HERE = Path(__file__).parent
NAMES = ("digits", "hands")
"""`digits` is what defaults were chosen on; `hands` is only reported."""
WINDOW = 4
METRIC = "val_accuracy"


@cache
def study(name: str) -> Study:
    """The study that looks results up in a table."""
    return prepare(HERE / "data" / f"{name}.yaml", settings=HERE / "data" / f"{name}_replay.yaml")


@dataclass(frozen=True)
class Judge:
    """What the designs of a table are worth.

    Attributes:
        values: the metric at the end, (designs, seeds), designs and seeds by name.
        baselines: identities of what every search trains first. One may be a member of the space, too.
    """

    values: pd.DataFrame
    baselines: frozenset[str]

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of what designs are worth, without that of seeds."""
        return float(variances(self.values.drop(index=list(self.baselines)).to_numpy())["sd_between"])

    def seeds(self, repetition: int) -> list[int]:
        """The seeds that a search sees, in the order in which the table is looked up."""
        every = list(self.values.columns)
        return [every[(repetition + further) % len(every)] for further in range(WINDOW)]

    def regret(self, design: str, repetition: int) -> float:
        """By how much a design is worth less than the best, in standard deviations: the mean over unseen seeds."""
        seen = self.seeds(repetition)
        unseen = [seed for seed in self.values.columns if seed not in seen]
        lost = [self.values.loc[self._best[seed], seed] - self.values.loc[design, seed] for seed in unseen]
        return float(np.mean(lost)) / self.deviation

    @cached_property
    def _best(self) -> dict[int, str]:
        """Seed -> the design that is best in the mean of all others."""
        return {seed: str(self.values.drop(columns=seed).mean(axis=1).idxmax()) for seed in self.values.columns}


@cache
def judge(name: str) -> Judge:
    """The judge of a table; designs that failed under some seed are worth what they reached at the worst."""
    table = pd.read_parquet(HERE / "data" / f"{name}.parquet")
    baselines = frozenset(table.loc[table["role"] == "baseline", "design"])
    return Judge(table.pivot(index="design", columns="seed", values=METRIC).dropna(), baselines)
