"""Which choices matter: how much each hole of the space decides, and what each of its options does.

Computed from what the search recorded, by two methods that fail in different ways:

forest      A random forest learns the metric from the choices. A hole's share is how much of the variance of its
            predictions goes when the hole's answers are shuffled (total Sobol index by Jansen's estimator: Saltelli et
            al., Computer Physics Communications 181, 2010, table 2 (f)). A design that stopped at a rung counts with
            the value that is expected of it at the end.
ped_anova   Optuna's conditional PED-ANOVA (Watanabe et al., arXiv 2304.10255; arXiv 2601.20800): how differently the
            best tenth of the designs answers a hole than all of them, after the first rung, which all reached.

A hole that is asked only under some option of another one is compared among the designs where it was asked, and is
shuffled among them; shuffling the outer hole takes the answers inside along. Intervals are bootstraps over designs. The
sampler chose the designs, so shares speak of where it looked; effects are the forest's, all else as it was.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from attnspace.analysis.observations import observations
from attnspace.record.results import Results

__all__ = ["FEWEST", "Importance", "importance"]

FEWEST = 20
"""The fewest designs of which anything is said."""

RESAMPLES, TREES, MOST = 16, 24, 1_000

PREDICTS = 0.1
"""The least share of the variance that forests have to predict, for anything to be said of what matters."""


@dataclass(frozen=True)
class Importance:
    """Which choices matter in a run.

    Attributes:
        holes: one row each, the largest share first: `hole`, `asked` (designs where it was asked), `options` (how many
            of them were tried), `forest`, `forest_low`, `forest_high`, `ped_anova`, `ped_anova_low`, `ped_anova_high`.
            Shares of the forest are of its variance where the hole is asked, and may add up to more than 1.
        effects: one row for each option that several designs took (for numbers: each quarter of the values): `hole`,
            `option`, `n` designs, `effect` on the metric at the end against the mean over the hole's options, `low`,
            `high`. Positive is better.
        designs: how many designs the numbers rest on.
        ended: how many of them were trained to the end; the others count with the value expected of them.
        fit: share of the variance among designs that forests predict for designs that they were not given; not above 0
            where they know nothing.
        outside: how many designs did so much worse than the others that they count with the worst value that does not.
    """

    holes: pd.DataFrame
    effects: pd.DataFrame
    designs: int
    ended: int
    fit: float
    outside: int = 0

    @property
    def predicts(self) -> bool:
        """Whether forests know enough of designs that they were not given, for shares and effects to mean anything."""
        return self.fit > PREDICTS


def importance(results: Results, seed: int = 0) -> Importance | None:
    """Find out which choices of a run's trials matter; None while fewer than 20 designs have a value."""
    if results.searched.empty:
        return None
    designs = observations(results).tail(MOST).reset_index(drop=True)  # so that a report stays a matter of seconds
    coded = _Coded([dict(choices) for choices in designs["choices"]])
    if len(designs) < FEWEST or not coded.holes:
        return None
    rng = np.random.default_rng(seed)
    forests = _forests(designs["last"].to_numpy(), coded, rng)
    shares = [_shares(forest, coded, drawn, rng) for forest, drawn, _ in forests]
    peds = _ped_anova(designs, coded, rng)
    rows = []
    for hole in coded.holes:
        forest, ped = [share[hole] for share in shares], [share[hole] for share in peds[1:]]
        rows.append(
            {
                "hole": hole,
                "asked": int(coded.asked[hole].sum()),
                "options": len({str(c[hole]) for c in coded.choices if hole in c}),
                "forest": float(np.nanmean(forest)),
                **dict(zip(("forest_low", "forest_high"), _ends(forest), strict=True)),
                "ped_anova": peds[0][hole],
                **dict(zip(("ped_anova_low", "ped_anova_high"), _ends(ped), strict=True)),
            }
        )
    table = pd.DataFrame(rows).sort_values("forest", ascending=False, kind="stable", ignore_index=True)
    return Importance(
        table,
        _effects(forests, coded),
        len(designs),
        int(designs["ended"].sum()),
        _fit(designs, forests, coded),
        int(designs["outside"].sum()),
    )


class _Coded:
    """Choices as columns of numbers: numbers as they are, other options one column each, -1 where a hole is not asked.

    Attributes:
        holes: those that were answered in more than one way, each by several designs.
        columns: hole -> its columns.
        values: (designs, columns).
        asked: hole -> (designs,) whether it was asked.
    """

    def __init__(self, choices: Sequence[Mapping[str, Any]]) -> None:
        self.choices = choices
        names = dict.fromkeys(name for one in choices for name in one)
        self.holes: list[str] = []
        self.columns: dict[str, list[int]] = {}
        self.asked: dict[str, np.ndarray] = {}
        columns: list[np.ndarray] = []
        for name in names:
            answers = [one.get(name, _ABSENT) for one in choices]
            given = [answer for answer in answers if answer is not _ABSENT]
            options = list(dict.fromkeys(given))
            # Nothing is said of what was seen once.
            if sum(len(designs) > 1 for designs in _groups(given).values()) < 2:
                continue
            self.holes.append(name)
            self.asked[name] = np.array([answer is not _ABSENT for answer in answers])
            if all(type(option) in (int, float) for option in options):
                made = [np.array([math.nan if a is _ABSENT else float(a) for a in answers])]
                made = [np.where(np.isnan(made[0]), np.nanmin(made[0]) - 1, made[0])]
            else:
                made = [np.array([-1.0 if a is _ABSENT else float(a == option) for a in answers]) for option in options]
            self.columns[name] = list(range(len(columns), len(columns) + len(made)))
            columns += made
        self.values = np.stack(columns, axis=1) if columns else np.empty((len(choices), 0))

    def inside(self, hole: str) -> list[int]:
        """The columns of a hole and of the holes inside its options."""
        return [
            column
            for name, columns in self.columns.items()
            if name == hole or name.startswith((f"{hole}[", f"{hole}."))
            for column in columns
        ]


_ABSENT: Any = object()
Forest = tuple[Any, np.ndarray, np.ndarray]
"""A forest, the numbers of the designs that it was trained on, and of those that it was not."""


def _forests(values: np.ndarray, coded: _Coded, rng: np.random.Generator) -> list[Forest]:
    """A forest for each resample of the designs."""
    from sklearn.ensemble import RandomForestRegressor  # slow to import, and only reports need it

    found: list[Forest] = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(values), len(values))
        forest = RandomForestRegressor(
            TREES, min_samples_leaf=2, max_features=0.5, random_state=int(rng.integers(2**31)), n_jobs=1
        )
        forest.fit(coded.values[drawn], values[drawn])
        found.append((forest, drawn, np.setdiff1d(np.arange(len(values)), drawn)))
    return found


def _shares(forest: Any, coded: _Coded, drawn: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    base = forest.predict(coded.values[drawn])
    found = {}
    for hole in coded.holes:
        asked = np.flatnonzero(coded.asked[hole][drawn])
        variance = base[asked].var() if len(asked) > 1 else 0.0
        if variance <= 0:
            found[hole] = 0.0
            continue
        shuffled = coded.values[drawn[asked]]
        columns = coded.inside(hole)
        shuffled[:, columns] = shuffled[rng.permutation(len(asked))][:, columns]
        change = forest.predict(shuffled) - base[asked]
        # Where options go together in the data, the forest is asked of designs unlike any it saw: no share is above 1.
        found[hole] = min(1.0, float((change**2).mean() / (2 * variance)))
    return found


def _effects(forests: Sequence[Forest], coded: _Coded) -> pd.DataFrame:
    """The effect of each option on the designs where its hole was asked, all else in them as it was.

    Where an option brings holes of its own, the answers inside are those of designs that took it.
    """
    rows = []
    for hole in coded.holes:
        asked = np.flatnonzero(coded.asked[hole])
        groups = _groups([coded.choices[int(i)][hole] for i in asked])
        groups = {option: members for option, members in groups.items() if len(members) > 1}
        if len(groups) < 2:  # nothing is said of what was seen once
            continue
        columns = coded.inside(hole)
        by_option: dict[str, list[float]] = {option: [] for option in groups}
        for forest, _, _ in forests:
            means = {}
            for option, members in groups.items():
                changed = coded.values[asked]
                source = coded.values[asked[members]][:, columns]
                changed[:, columns] = source[np.arange(len(asked)) % len(members)]
                means[option] = forest.predict(changed).mean()
            middle = float(np.mean(list(means.values())))
            for option, mean in means.items():
                by_option[option].append(mean - middle)
        for option, values in by_option.items():
            low, high = _ends(values)
            rows.append(
                {
                    "hole": hole,
                    "option": option,
                    "n": len(groups[option]),
                    "effect": float(np.mean(values)),
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows, columns=["hole", "option", "n", "effect", "low", "high"])


def _groups(answers: Sequence[Any]) -> dict[str, np.ndarray]:
    """The indices of the answers that are each option, by option; many different numbers are grouped in quarters."""
    distinct = sorted(set(answers), key=lambda answer: (str(type(answer)), answer))
    numbers = all(type(answer) in (int, float) for answer in distinct)
    if not numbers or len(distinct) <= 8:
        return {str(d): np.array([i for i, answer in enumerate(answers) if answer == d]) for d in distinct}
    values = np.array(answers, dtype=float)
    edges = np.unique(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    quarter = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return {
        f"{edges[q]:.3g} to {edges[q + 1]:.3g}": np.flatnonzero(quarter == q)
        for q in range(len(edges) - 1)
        if (quarter == q).any()
    }


def _fit(designs: pd.DataFrame, forests: Sequence[Forest], coded: _Coded) -> float:
    values = designs["last"].to_numpy()
    predicted: list[list[float]] = [[] for _ in values]
    for forest, _, left_out in forests:
        for i, value in zip(left_out, forest.predict(coded.values[left_out]), strict=True):
            predicted[i].append(float(value))
    told = [i for i, made in enumerate(predicted) if made]
    errors = np.array([values[i] - np.mean(predicted[i]) for i in told])
    return float(1 - (errors**2).mean() / values[told].var()) if values[told].var() else math.nan


def _ped_anova(designs: pd.DataFrame, coded: _Coded, rng: np.random.Generator) -> list[dict[str, float]]:
    """Shares of the holes by Optuna's PED-ANOVA after the first rung: over all designs, then over each resample."""
    distributions = {hole: _distribution([c[hole] for c in coded.choices if hole in c]) for hole in coded.holes}
    trials = [
        optuna.trial.create_trial(
            params={hole: choices[hole] for hole in coded.holes if hole in choices},
            distributions={hole: distributions[hole] for hole in coded.holes if hole in choices},
            value=float(value),
        )
        for choices, value in zip(coded.choices, designs["first"], strict=True)
    ]
    everyone = np.arange(len(trials))
    samples = [everyone, *(rng.integers(0, len(trials), len(trials)) for _ in range(RESAMPLES))]
    return [_evaluated([trials[i] for i in sample], coded.holes) for sample in samples]


def _evaluated(trials: Sequence[optuna.trial.FrozenTrial], holes: Sequence[str]) -> dict[str, float]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        study.add_trials(trials)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few trials, and of being experimental
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(
                target_quantile=0.1, region_quantile=1.0, evaluate_on_local=True
            )
            asked = {hole for trial in trials for hole in trial.params}
            found = evaluator.evaluate(study, params=[hole for hole in holes if hole in asked])
    finally:
        optuna.logging.set_verbosity(verbosity)
    total = sum(found.values())
    return {hole: found.get(hole, math.nan) / total if total > 0 else 0.0 for hole in holes}


def _distribution(answers: Sequence[Any]) -> BaseDistribution:
    if all(type(answer) is int for answer in answers):
        return IntDistribution(min(answers), max(answers))
    if all(type(answer) in (int, float) for answer in answers):
        return FloatDistribution(min(answers), max(answers))
    return CategoricalDistribution(tuple(dict.fromkeys(answers)))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the middle 90% of resampled values."""
    low, high = np.nanquantile(values, [0.05, 0.95])
    return float(low), float(high)
