"""A run's confirmation as statistics: scores under paired seeds, every comparison, and the recommendation.

What is said is what the looks that were planned and taken say; trainings beyond the latest look count for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attnspace.analysis.decision import Decision, Sides, corrected, decide
from attnspace.analysis.intervals import Interval, over_seeds, over_seeds_and_images
from attnspace.analysis.pairs import Pairs
from attnspace.analysis.recipe_order import RecipeOrder, recipe_order
from attnspace.analysis.recommendation import Recommendation, Subject, p_text, recommended
from attnspace.analysis.significance import ALPHA, holm
from attnspace.record.evaluation import Outcome, Role
from attnspace.record.plan import ConfirmationPlan
from attnspace.record.results import PLAIN, Results

__all__ = ["Confirmation", "confirmation"]

SCORE = "test_accuracy"
IN_WORDS = {
    "matched": "the plain backbone, widened to as many parameters",
    PLAIN: "the plain backbone, which it exceeds by fewer parameters than one channel more would",
    "constant": "itself with constant gates, which do not look at the image",
}
"""Controls in sentences."""


@dataclass(frozen=True)
class Confirmation:
    """The results of a confirmation.

    Attributes:
        scores: test accuracy, one row for each seed in the order of the plan, one column for each name.
        designs: one row for each, the best first: `name`, `role`, `design`, `placement`, `n`, `failed`, `mean`, `sd`,
            `low`, `high` (NaN with fewer than four seeds) and `interval` (what it is), `params`, `params_added`.
        comparisons: one row for each pair that was tested: `name`, `other`, `n`, `difference`, `sd`, `low`, `high` and
            `interval` (what it is), `p` (corrected) and `family` (what for).
        decision: what the latest look says.
        recommendation: the same in words; None while no design has a score.
        controls: what the controls of the confirmed best design say, a sentence each.
        looks: the looks that were planned.
        looked: the seeds of the latest look; 0 before the first.
        ended: whether the confirmation has ended: the recommendation is settled, or the last look was taken.
        recipe: whether the order holds at other learning rates; None where that was not checked.
        specs: identity of each design -> `{block, placement}`.
    """

    scores: pd.DataFrame
    designs: pd.DataFrame
    comparisons: pd.DataFrame
    decision: Decision
    recommendation: Recommendation | None
    controls: list[str]
    looks: tuple[int, ...]
    looked: int
    ended: bool
    recipe: RecipeOrder | None
    specs: Mapping[str, Mapping[str, Any]]

    @property
    def identities(self) -> dict[str, str]:
        """Name -> identity of the design."""
        return {
            str(name): str(design) for name, design in zip(self.designs["name"], self.designs["design"], strict=True)
        }

    @property
    def interval(self) -> str:
        """What the intervals of `designs` are."""
        return next(filter(None, self.designs["interval"]), "95% interval")

    @property
    def sentence(self) -> str:
        """The recommendation in words, and whether it depends on the recipe, where that was checked."""
        nothing = (
            "every training failed." if self.looked else "no look has been taken. Go on with: attnspace confirm RUN."
        )
        said = self.recommendation.sentence if self.recommendation else f"Undecided: {nothing}"
        return f"{said} {self.recipe.sentence}" if self.recipe else said


def confirmation(results: Results) -> Confirmation | None:
    """The confirmation of a run in numbers and sentences; None if the run has none."""
    plan = results.plan or _implied(results.confirmed())
    rows = results.confirmed()
    if plan is None:
        return None
    rows = rows[rows["seed"].isin(plan.seeds)]
    known = (*plan.identities, *rows.loc[rows["role"] != Role.TRIAL, "design"])
    rows = rows[rows["design"].isin(known)]
    if rows.empty:
        return None
    return _Reader(results, plan, rows.assign(shown=_names(rows))).confirmation()


def _implied(rows: pd.DataFrame) -> ConfirmationPlan | None:
    """What a confirmation without a plan, by an earlier version, was: one look at all of its seeds."""
    if rows.empty:
        return None
    seeds = tuple(int(seed) for seed in sorted(rows["seed"].unique()))
    trials = rows[rows["role"] == Role.TRIAL].drop_duplicates("design")
    designs = tuple({"design": row["design"]} for _, row in trials.iterrows())
    return ConfirmationPlan("", seeds, (len(seeds),), None, "same", designs)


class _Reader:
    """Reads a confirmation out of its rows."""

    def __init__(self, results: Results, plan: ConfirmationPlan, rows: pd.DataFrame) -> None:
        self._results, self._plan, self._rows = results, plan, rows
        self._right = results.right()
        about = rows.groupby("shown", sort=False).head(1).set_index("shown")
        self._about = about
        scores = rows.pivot(index="seed", columns="shown", values=SCORE).astype(float)
        self._scores = scores.reindex([seed for seed in plan.seeds if seed in scores.index])[list(about.index)]
        self._failed = rows.loc[rows["outcome"] == Outcome.FAILED, "shown"].value_counts().to_dict()
        roles = (Role.TRIAL, Role.BASELINE, Role.CONTROL)
        named = {role: [str(name) for name in about.index[about["role"] == role]] for role in roles}
        self._tops, self._baselines, self._controls = (named[role] for role in roles)
        plain = next((name for name in self._baselines if about.loc[name, "name"] == PLAIN), None)
        sizes = {str(name): float(about.loc[name, "params"]) for name in about.index}
        self._sides = Sides(self._tops, self._baselines, plain, sizes)
        self._margin = None if plan.margin is None else plan.margin / 100

    def confirmation(self) -> Confirmation:
        looks, most = self._plan.looks, self._looks_complete()
        taken, pairs = 0, self._pairs(0)
        decision = decide(pairs, self._sides, self._margin, ended=False)
        while taken < most and not decision.is_settled:
            taken += 1
            pairs = self._pairs(taken)
            decision = decide(pairs, self._sides, self._margin, ended=taken == len(looks))
        ended = decision.is_settled or taken == len(looks)
        table = self._comparisons(pairs, decision)
        compared = {
            (row["name"], row["other"]): (
                row["n"],
                row["difference"],
                Interval(row["low"], row["high"], row["interval"]),
                row["p"],
            )
            for row in table
        }
        found = recommended(
            decision,
            {str(name): self._subject(str(name)) for name in self._about.index},
            compared,
            seeds=pairs.seeds,
            planned=looks[-1],
            ended=ended,
            margin=self._plan.margin,
        )
        return Confirmation(
            self._scores,
            self._designs(),
            pd.DataFrame(table, columns=COLUMNS),
            decision,
            found,
            self._said(table),
            looks,
            pairs.seeds,
            ended,
            self._recipe(decision),
            dict(zip(self._about["design"], self._about["spec"], strict=True)),
        )

    def _recipe(self, decision: Decision) -> RecipeOrder | None:
        """Of the designs that the decision is about, under the seeds of this confirmation."""
        plain, about = self._sides.plain, self._about
        others = [name for name in dict.fromkeys((decision.rival, plain)) if name is not None]
        if decision.best is None or not others:
            return None
        shown = {str(about.loc[name, "design"]): name for name in (decision.best, *others)}
        return recipe_order(self._results, self._plan.seeds, shown)

    def _looks_complete(self) -> int:
        """How many of the planned looks have every training of every design and baseline."""
        there = set(zip(self._rows["design"], self._rows["seed"], strict=True))
        asked = (*self._plan.identities, *(str(self._about.loc[name, "design"]) for name in self._baselines))
        complete = 0
        for look in self._plan.looks:
            if not all((design, seed) in there for seed in self._plan.seeds[:look] for design in asked):
                break
            complete += 1
        return complete

    def _pairs(self, taken: int) -> Pairs:
        scores = self._scores.reindex(list(self._plan.seeds))
        return Pairs(scores, self._plan.looks, taken)

    def _comparisons(self, pairs: Pairs, decision: Decision) -> list[dict[str, Any]]:
        p_values = corrected(pairs, self._sides) if pairs.seeds else {}
        wanted = [(top, baseline, "designs") for top in self._tops for baseline in self._baselines]
        plain = self._sides.plain
        if plain is not None:
            wanted += [(baseline, plain, "published blocks") for baseline in self._baselines if baseline != plain]
        table = [self._compared(pairs, *pair, p_values.get(pair[:2])) for pair in wanted]
        return [row for row in (*table, *self._controlled(pairs, decision)) if row["n"]]

    def _controlled(self, pairs: Pairs, decision: Decision) -> list[dict[str, Any]]:
        """The confirmed best against its controls; of an earlier version's run, the best of the search.

        The best of several was chosen by the very scores that are compared: a p-value is multiplied by their number.
        """
        best = decision.best if self._results.plan else self._best_of_search()
        if best is None or not pairs.seeds:
            return []
        usable = pairs.usable(self._controls) if best in pairs.usable([best]) else []
        chosen_from = len(pairs.usable(self._tops))
        raw = [min(1.0, chosen_from * pairs.p(best, control)) for control in usable]
        p_values = dict(zip(usable, holm(raw), strict=True))
        return [self._compared(pairs, best, name, "controls", p_values.get(name)) for name in self._controls]

    def _best_of_search(self) -> str | None:
        ranks = {design: rank for rank, design in enumerate(self._results.ranked()["design"])}
        return min(self._tops, key=lambda top: ranks.get(str(self._about.loc[top, "design"]), math.inf), default=None)

    def _compared(self, pairs: Pairs, name: str, other: str, family: str, p: float | None) -> dict[str, Any]:
        both = pairs.differences(name, other)
        interval = self._interval(pairs, name, other, both)
        return {
            "name": name,
            "other": other,
            "n": len(both),
            "difference": float(both.mean()) if len(both) else math.nan,
            "sd": float(both.std(ddof=1)) if len(both) > 1 else math.nan,
            "low": interval.low,
            "high": interval.high,
            "interval": interval.name,
            "p": p,
            "family": family,
        }

    def _interval(self, pairs: Pairs, name: str, other: str, both: np.ndarray) -> Interval:
        """Over seeds and images where every answer was kept, else over seeds."""
        splits = self._plan.splits == "fresh"
        there = pairs.scores[name].notna() & pairs.scores[other].notna()
        seeds = [int(seed) for seed in there.index[there]]
        designs = [str(self._about.loc[one, "design"]) for one in (name, other)]
        kept = [[self._right.get((design, seed)) for seed in seeds] for design in designs]
        if not seeds or any(answers is None for row in kept for answers in row):
            return over_seeds(both, splits=splits)
        one, two = (np.array(row, dtype=float) for row in kept)
        return over_seeds_and_images(one - two, splits=splits)

    def _said(self, table: Sequence[Mapping[str, Any]]) -> list[str]:
        rows = [row for row in table if row["family"] == "controls" and row["p"] is not None]
        if rows and "matched" not in self._controls and self._sides.plain is not None:
            rows = [row for row in table if (row["name"], row["other"]) == (rows[0]["name"], self._sides.plain)] + rows
        said = []
        for row in rows:
            what, p = IN_WORDS.get(row["other"], row["other"]), row["p"]
            by = f"{100 * row['difference']:+.2f} points, p{p_text(p)}, n={row['n']}"
            if p > ALPHA:
                said.append(f"{row['name']} is not distinguishable from {what}: {by}.")
            else:
                said.append(f"{row['name']} is {'better' if row['difference'] > 0 else 'worse'} than {what}: {by}.")
        return said + self._lost()

    def _lost(self) -> list[str]:
        """How many trainings failed, where some did."""
        lost = {name: count for name, count in self._failed.items() if count}
        if not lost:
            return []
        named = ", ".join(f"{count} of {name}" for name, count in lost.items())
        return [f"Trainings that failed are left out: {named}."]

    def _subject(self, name: str) -> Subject:
        row = self._about.loc[name]
        kind = "design" if row["role"] != Role.BASELINE else "plain" if name == self._sides.plain else "published"
        costs: dict[str, float] = {}
        if self._sides.plain is not None:
            plain = self._about.loc[self._sides.plain]
            for column, title in (("params", "parameters"), ("flops", "FLOPs"), ("latency_ms", "time")):
                if not pd.isna(row[column]) and plain[column] > 0:
                    costs[title] = float(row[column] / plain[column] - 1)
        return Subject(name, str(row["design"]), kind, str(row["label"]), dict(row["spec"]), costs)

    def _designs(self) -> pd.DataFrame:
        rows: list[dict[str, Any]] = []
        for name in self._scores.columns:
            values, row = self._scores[name].dropna(), self._about.loc[name]
            interval = over_seeds(values.to_numpy(), splits=self._plan.splits == "fresh")
            rows.append(
                {
                    "name": name,
                    "role": row["role"],
                    "design": row["design"],
                    "placement": row["placement"],
                    "n": len(values),
                    "failed": self._failed.get(name, 0),
                    "mean": values.mean(),
                    "sd": values.std(),
                    "low": interval.low,
                    "high": interval.high,
                    "interval": interval.name,
                    "params": row["params"],
                    "params_added": row["params_added"],
                }
            )
        return pd.DataFrame(rows).sort_values("mean", ascending=False, kind="stable", ignore_index=True)


COLUMNS = ["name", "other", "n", "difference", "sd", "low", "high", "interval", "p", "family"]


def _names(rows: pd.DataFrame) -> list[str]:
    """The name that each row is shown under: baselines and controls by name, designs by label.

    Where that names several, their placement or the beginning of their identity is added. The control that was made
    last keeps its name.
    """
    known = rows.groupby("design", sort=False).tail(1).set_index("design")
    short = {str(design): str(row["name"] or row["label"]) for design, row in known.iterrows()}
    placed = {str(design): f"{short[str(design)]} [{row['placement']}]" for design, row in known.iterrows()}
    called: dict[str, str] = {}
    for design, row in known.iloc[::-1].iterrows():
        begins = (f"{placed[str(design)]} {str(design)[:length]}" for length in (6, 16))
        forms = (short[str(design)], placed[str(design)], *begins)
        same = row["role"] == Role.TRIAL and [*short.values()].count(forms[0]) > 1
        called[str(design)] = next(form for form in forms[same:] if form not in called.values())
    return [called[design] for design in rows["design"]]
