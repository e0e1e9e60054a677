"""A run's confirmation as statistics: scores under paired seeds, comparisons, and the verdict in a sentence.

A design *beats the best baseline* when it is better than every baseline: the largest of the p-values against each of
them is the p-value of that (an intersection-union test: Berger, Technometrics 24, 1982). Several designs are
confirmed, and the best of them is named, so these p-values are corrected for the number of designs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from attnspace.analysis.significance import ALPHA, Comparison, Race, compare, holm, interval, p_value, race
from attnspace.record.evaluation import Outcome, Role
from attnspace.record.results import Results

__all__ = ["Confirmation", "Verdict", "confirmation", "judge"]

SCORE = "test_accuracy"


@dataclass(frozen=True)
class Verdict:
    """What may be said of the best confirmed design against the best baseline.

    Attributes:
        outcome: `better`, `worse`, `same` where they are not distinguishable, or `open` with fewer than two seeds.
        comparison: the comparison of the two; None while nothing can be compared.
        p: the corrected p-value.
        race: the test that was made, for its power; None with fewer than two seeds.
        sentence: the verdict in words, with differences in percentage points.
    """

    outcome: Literal["better", "worse", "same", "open"]
    comparison: Comparison | None
    p: float
    race: Race | None
    sentence: str


@dataclass(frozen=True)
class Confirmation:
    """The results of a confirmation.

    Attributes:
        scores: test accuracy, one row for each seed, one column for each name.
        designs: one row for each, the best first: `name`, `role`, `design`, `placement`, `n`, `failed`, `mean`, `sd`,
            `low`, `high` (95% bootstrap interval of the mean), `params`, `params_added`.
        comparisons: one row for each confirmed design and each baseline or control: the fields of `Comparison`, and
            `p_holm`, corrected for all of them.
        verdict: the verdict on the best design against the best baseline.
        controls: what the controls of the search's best design say, a sentence each.
    """

    scores: pd.DataFrame
    designs: pd.DataFrame
    comparisons: pd.DataFrame
    verdict: Verdict
    controls: list[str]


def confirmation(results: Results) -> Confirmation | None:
    """The confirmation of a run in numbers and sentences; None if the run has none."""
    rows = results.confirmed()
    if rows.empty:
        return None
    rows = rows.assign(shown=_names(rows))
    scores = rows.pivot(index="seed", columns="shown", values=SCORE).astype(float).sort_index()
    about = rows.groupby("shown", sort=False).head(1).set_index("shown")
    scores = scores[list(about.index)]
    failed = rows.loc[rows["outcome"] == Outcome.FAILED, "shown"].value_counts().to_dict()
    by_role = {role: [str(name) for name in about.index[about["role"] == role]] for role in (Role.TRIAL, Role.BASELINE)}
    controls = [str(name) for name in about.index[about["role"] == Role.CONTROL]]
    tops, baselines = by_role[Role.TRIAL], by_role[Role.BASELINE]
    made = [one for top in tops for one in _compared(scores, top, [*baselines, *controls], seeds=1)]
    comparisons = pd.DataFrame([asdict(one) for one in made], columns=list(Comparison.__dataclass_fields__))
    comparisons["p_holm"] = holm(comparisons["p"].tolist())
    ranks = {design: rank for rank, design in enumerate(results.ranked()["design"])}
    first = min(tops, key=lambda top: ranks.get(str(about.loc[top, "design"]), math.inf), default=None)
    said = _controls(scores, first, controls) if first is not None else []
    return Confirmation(
        scores,
        _designs(scores, about, failed),
        comparisons,
        judge(scores, tops, baselines, failed),
        said,
    )


def judge(
    scores: pd.DataFrame, tops: Sequence[str], baselines: Sequence[str], failed: Mapping[Any, int] | None = None
) -> Verdict:
    """The verdict on the best of `tops` against the best of `baselines`.

    Args:
        scores: one row for each seed, one column for each name; NaN where a training failed or was not made.
        tops: the columns of the designs in question.
        baselines: the columns that they are compared with.
        failed: how many trainings of a name failed; other scores that are NaN were not made.
    """
    means = scores.mean()
    complete = [name for name in (*tops, *baselines) if scores[name].notna().sum() >= 2]
    tried = [top for top in tops if top in complete]
    against = [baseline for baseline in baselines if baseline in complete]
    if not tried or not against:
        return Verdict("open", None, 1.0, None, "Nothing can be said yet: a comparison needs two seeds.")
    best, rival = max(tried, key=means.__getitem__), max(against, key=means.__getitem__)
    corrected = dict(zip(tried, holm([_p(scores, top, against, rival) for top in tried]), strict=True))
    comparison, p = compare(best, rival, *_paired(scores, best, rival)), corrected[best]
    alpha = ALPHA / len(tried)
    both = scores[[best, *against]].dropna()
    test = race(both.to_numpy(), alpha) if len(both) > 1 else None
    found = f"{_signed(comparison.difference)} +- {_points(comparison.margin)} points"
    facts = f"p{_p_text(p)}, n={comparison.n}"
    if p <= ALPHA and comparison.difference > 0:
        outcome: Literal["better", "worse", "same"] = "better"
        by = f"{_points(comparison.difference)} +- {_points(comparison.margin)} points"
        sentence = f"{best} beats the best baseline, {rival}, by {by}, {facts}."
    elif p <= ALPHA and comparison.difference < 0:
        outcome = "worse"
        sentence = f"{best} is worse than the best baseline, {rival}: {found}, {facts}."
    else:
        outcome = "same"
        what = f"{best} and the best baseline, {rival}, are not distinguishable"
        sentence = f"{what} at n={comparison.n}: {found}, p{_p_text(p)}."
        if test and test.sd > 1e-12:
            least = _points(test.detectable(comparison.n))
            sentence += f" A true lead of {least} points would have been found with a power of 80%"
            needed = test.seeds_needed(comparison.difference)
            how_many = f"about {needed} seeds" if needed else "more than 1,000 seeds"
            sentence += f"; for the one seen {how_many} would be needed." if comparison.difference > 0 else "."
    return Verdict(outcome, comparison, p, test, sentence + _left_out(scores[[best, rival]], failed or {}))


def _left_out(scores: pd.DataFrame, failed: Mapping[Any, int]) -> str:
    """Why some scores of the compared designs are not there."""
    lost = sum(failed.get(name, 0) for name in scores)
    missing = max(0, int(scores.isna().sum().sum()) - lost)
    said = f" {lost} of their trainings failed and are left out." if lost else ""
    if missing:
        said += (
            f" {missing} of their trainings were not made: confirm as many designs again with --seeds {len(scores)}."
        )
    return said


def _p(scores: pd.DataFrame, top: str, baselines: Sequence[str], rival: str) -> float:
    """The p-value of a design being better than every baseline, or worse than the best of them."""
    differences = {baseline: (scores[top] - scores[baseline]).dropna().to_numpy() for baseline in baselines}
    if all(len(one) and one.mean() > 0 for one in differences.values()):
        return max(map(p_value, differences.values()))
    return min(1.0, len(baselines) * p_value(differences[rival]))  # the rival was picked for its mean


def _paired(scores: pd.DataFrame, name: str, other: str) -> tuple[list[float], list[float]]:
    """The scores of two names under the seeds that both have."""
    both = scores[[name, other]].dropna()
    return both[name].tolist(), both[other].tolist()


def _compared(scores: pd.DataFrame, name: str, others: Sequence[str], *, seeds: int) -> list[Comparison]:
    """Compare one design with each of the others with which it shares at least `seeds` seeds."""
    paired = {other: _paired(scores, name, other) for other in others}
    return [compare(name, other, *pair) for other, pair in paired.items() if len(pair[0]) >= seeds]


def _controls(scores: pd.DataFrame, winner: str, controls: Sequence[str]) -> list[str]:
    against = list(controls)
    if "matched" not in controls and "none" in scores:
        against.insert(0, "none")
    made = _compared(scores, winner, against, seeds=2)
    said = []
    for comparison, p in zip(made, holm([one.p for one in made]), strict=True):
        by = f"{_signed(comparison.difference)} +- {_points(comparison.margin)} points, p{_p_text(p)}, n={comparison.n}"
        what = {
            "matched": "the plain backbone, widened to as many parameters",
            "none": "the plain backbone, which it exceeds by fewer parameters than one channel more would",
            "constant": "itself with constant gates, which do not look at the image",
        }.get(comparison.other, comparison.other)
        if p > ALPHA:
            said.append(f"{winner} is not distinguishable from {what}: {by}.")
        else:
            said.append(f"{winner} is {'better' if comparison.difference > 0 else 'worse'} than {what}: {by}.")
    return said


def _designs(scores: pd.DataFrame, about: pd.DataFrame, failed: Mapping[Any, int]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for name in scores.columns:
        values, row = scores[name].dropna(), about.loc[name]
        low, high = interval(values.to_numpy())
        rows.append(
            {
                "name": name,
                "role": row["role"],
                "design": row["design"],
                "placement": row["placement"],
                "n": len(values),
                "failed": failed.get(name, 0),
                "mean": values.mean(),
                "sd": values.std(),
                "low": low,
                "high": high,
                "params": row["params"],
                "params_added": row["params_added"],
            }
        )
    return pd.DataFrame(rows).sort_values("mean", ascending=False, kind="stable", ignore_index=True)


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


def _points(difference: float) -> str:
    return f"{100 * difference:.2f}"


def _signed(difference: float) -> str:
    return f"{100 * difference:+.2f}"


def _p_text(p: float) -> str:
    return "<0.001" if p < 0.001 else f"={p:.3f}" if p < 0.1 else f"={p:.2f}"
