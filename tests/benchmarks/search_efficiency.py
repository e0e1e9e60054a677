"""Epochs that samplers and rungs need to find the best design of the replay table, over repetitions.

    python -m tests.benchmarks.search_efficiency --kept FOLDER [--repetitions 50] [--only NAME ...]

Regret is that of the incumbent: the design which a user would be shown after so many epochs, the best that was trained
to the end. It is measured twice, in standard deviations of the table's designs: in what the study itself measures (one
training seed, the same for all designs, another for each repetition), and in the mean of the other seeds, which no
search has seen. Baselines are not counted: every variant trains the same.

`optuna` is Optuna's TPE as it is, in a loop of ask and tell: it trains repeated suggestions again. `tpe-plain` is the
same sampler in attnspace without rungs, where a repeated suggestion is passed over.
"""

import argparse
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import plotly.graph_objects as go

from attnspace.record.ledger import Ledger
from attnspace.search.progress import Watcher
from attnspace.search.search import search
from attnspace.study.config import Rungs
from attnspace.study.loading import prepare
from attnspace.study.study import Study
from tests.benchmarks.machine import machine
from tests.searching import with_search

HERE = Path(__file__).parent
STUDY = HERE / "data" / "replay.yaml"
METRIC = "val_accuracy"
GRID = np.arange(9, 3_601, 9)

# name: sampler, rungs, trials, further settings
VARIANTS: dict[str, tuple[str, Rungs | None, int, dict]] = {
    "random-plain": ("random", None, 400, {}),
    "nsga2-plain": ("nsga2", None, 400, {}),
    "random-rungs": ("random", Rungs(), 800, {}),
    "evolution-rungs": ("evolution", Rungs(), 500, {}),
    "nsga2-rungs": ("nsga2", Rungs(), 500, {}),
    "nsga2-rungs-seeds": ("nsga2", Rungs(), 500, {"seeds": 3}),
    "tpe-plain": ("tpe", None, 200, {}),
    "tpe-rungs": ("tpe", Rungs(), 300, {}),
}


DRAWN = {
    "random-plain": ("random, every design to the end", "#8a8a8a"),
    "optuna": ("Optuna's TPE as it is", "#c8553d"),
    "tpe-plain": ("TPE, nothing twice", "#e09f3e"),
    "random-rungs": ("random, rungs", "#7fb3e6"),
    "nsga2-rungs": ("nsga2, rungs (the default)", "#12407a"),
}
"""Variant -> its name and colour in the figure."""


@cache
def study() -> Study:
    return prepare(STUDY)


@cache
def quality() -> pd.DataFrame:
    """Value at the end of each design (row) under each training seed (column)."""
    table = pd.read_parquet(HERE / "data" / "digits.parquet")
    done = table[(table["role"] == "trial") & (table["outcome"] == "done")]
    return done.pivot_table(index="design", columns="seed", values=METRIC)


def curves(name: str, repetition: int) -> tuple[np.ndarray, np.ndarray]:
    """Regret of the incumbent at each point of the grid: in the study's own seed, and in the other seeds."""
    trained = optuna_rows(repetition) if name == "optuna" else rows(name, repetition)
    seeds = study().table.seeds
    own = seeds[repetition % len(seeds)]
    held_out = [seed for seed in seeds if seed != own]
    values = quality()
    own_values, other_values = values[own], values[held_out].mean(axis=1)
    spent, best, incumbent = 0, -np.inf, None
    found: list[tuple[int, float, float]] = []
    seen: dict[str, list[float]] = {}
    for epochs, design, value in trained:
        spent += epochs
        if value is None:
            continue
        seen.setdefault(design, []).append(value)
        means = {known: np.mean(v) for known, v in seen.items()}
        incumbent = max(means, key=means.__getitem__)
        best = own_values[incumbent]
        found.append(
            (
                spent,
                (own_values.max() - best) / own_values.std(),
                (other_values.max() - other_values[incumbent]) / values.mean(axis=1).std(),
            )
        )
    at = np.searchsorted([f[0] for f in found], GRID, side="right") - 1
    first = np.array([np.nan, np.nan])
    picked = np.array([first if i < 0 else np.array(found[i][1:]) for i in at])
    return picked[:, 0], picked[:, 1]


def rows(name: str, repetition: int) -> list[tuple[int, str, float | None]]:
    """Epochs, design and, at the end, value of each step."""
    sampler, rungs, trials, more = VARIANTS[name]
    again = with_search(study(), sampler=sampler, rungs=rungs, trials=trials, seed=repetition, **more)
    ledger = Ledger(Path(":memory:"))
    search(again, ledger, Watcher())
    steps, before = [], {}
    for row in ledger.rows():
        if row.role == "trial":
            key = row.design, row.seed
            value = row.metric(METRIC) if row.outcome == "done" else None
            steps.append((row.epochs - before.get(key, 0), row.design, value))
            before[key] = row.epochs
    return steps


def optuna_rows(repetition: int) -> list[tuple[int, str, float | None]]:
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=repetition, multivariate=True, group=True)
    plain = optuna.create_study(sampler=sampler, direction="maximize")
    table = study().table
    seed, steps = table.seeds[repetition % len(table.seeds)], []
    for _ in range(200):
        trial = plain.ask()
        design = study().design(study().space.suggest(trial)).identity
        value = table.find(design, seed).history[-1][METRIC]
        plain.tell(trial, value)
        steps.append((table.epochs, design, value))
    return steps


def summarise(regrets: dict[str, np.ndarray], references: tuple[str, ...] = ("optuna", "random-plain")) -> dict:
    """Per variant: median epochs to a regret of 0.1, its interval, the ratios to the references' medians, and at how
    many of the grid's points its mean regret is above that of random search with 95% confidence.
    """
    rng = np.random.default_rng(0)
    reached = {name: first_below(values, 0.1) for name, values in regrets.items()}
    found = {}
    for name, epochs in reached.items():
        found[name] = {
            "reached": float(np.isfinite(epochs).mean()),
            "epochs_median": float(np.median(epochs)),
            "epochs_interval": interval(lambda i, e=epochs: np.median(e[i]), len(epochs), rng),
            "mean_regret_at": {
                str(e): round(float(np.nanmean(regrets[name][:, np.searchsorted(GRID, e)])), 3)
                for e in (90, 180, 360, 720, 1440)
            },
        }
        for reference in references:
            if reference in reached:
                base = reached[reference]
                found[name][f"of_{reference}"] = ratio(epochs, base)
                found[name][f"of_{reference}_interval"] = interval(
                    lambda i, e=epochs, b=base: ratio(e[i[0]], b[i[1]]), len(epochs), rng, pairs=True
                )
        if "random-plain" in regrets:
            found[name]["points_worse_than_random"] = worse(regrets[name], regrets["random-plain"])
    return found


def ratio(epochs: np.ndarray, base: np.ndarray) -> float:
    """Of medians; 0 where the base's is infinite, infinite where only the first one's is."""
    one, other = np.median(epochs), np.median(base)
    return 0.0 if np.isinf(other) and np.isfinite(one) else float(one / other) if np.isfinite(other) else 1.0


def worse(regrets: np.ndarray, others: np.ndarray) -> int:
    """Points of the grid where the mean regret is above the others' by more than 1.645 standard errors."""
    both = np.isfinite(regrets).all(0) & np.isfinite(others).all(0)
    gap = regrets[:, both].mean(0) - others[:, both].mean(0)
    error = np.sqrt(regrets[:, both].var(0, ddof=1) / len(regrets) + others[:, both].var(0, ddof=1) / len(others))
    return int((gap > 1.645 * error).sum())


def first_below(regrets: np.ndarray, level: float) -> np.ndarray:
    """Epochs until the regret is first at the level; infinite if never."""
    below = regrets <= level
    return np.where(below.any(axis=1), GRID[below.argmax(axis=1)], np.inf)


def interval(statistic, n: int, rng: np.random.Generator, *, pairs: bool = False) -> list[float]:
    """95% bootstrap interval over repetitions; of two variants, each resampled by itself."""
    drawn = [statistic(rng.integers(0, n, (2, n) if pairs else n)) for _ in range(2_000)]
    return [float(q) for q in np.quantile(drawn, [0.025, 0.975], method="nearest")]


def one(job: tuple[str, int, Path]) -> tuple[str, int, np.ndarray, np.ndarray]:
    name, repetition, kept = job
    path = kept / f"{name}-{repetition}.npy"
    if not path.exists():
        np.save(path, np.stack(curves(name, repetition)))
    return name, repetition, *np.load(path)


def figure(regrets: dict[str, np.ndarray]) -> go.Figure:
    """Mean regret against epochs, with 95% bands over repetitions."""
    drawn = go.Figure()
    for name, (label, colour) in DRAWN.items():
        if name not in regrets:
            continue
        values = regrets[name]
        mean = np.nanmean(values, axis=0)
        half = 1.96 * np.nanstd(values, axis=0) / np.sqrt(len(values))
        low = np.maximum(mean - half, 1e-3)  # a logarithm is taken of it
        band = {"x": np.r_[GRID, GRID[::-1]], "y": np.r_[mean + half, low[::-1]]}
        drawn.add_scatter(**band, fill="toself", line={"width": 0}, fillcolor=colour, opacity=0.2, showlegend=False)
        drawn.add_scatter(x=GRID, y=mean, mode="lines", name=label, line={"color": colour, "width": 2.5})
    drawn.update_layout(template="plotly_white", width=900, height=520, xaxis_title="training epochs")
    drawn.update_layout(legend={"x": 0.02, "y": 0.02}, margin={"l": 70, "r": 20, "t": 20, "b": 60})
    drawn.update_xaxes(type="log", range=[1.5, 3.56], dtick=0.30103)
    drawn.update_yaxes(type="log", range=[-2.3, 0.3], title="regret, standard deviations of the designs")
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=50)
    parser.add_argument("--only", nargs="*", default=["optuna", *VARIANTS])
    parser.add_argument("--out", type=Path, default=HERE / "results" / "search_efficiency.json")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kept", type=Path, required=True, help="folder of curves; what is in it is not run again")
    asked = parser.parse_args()
    asked.kept.mkdir(parents=True, exist_ok=True)
    jobs = [(name, repetition, asked.kept) for name in asked.only for repetition in range(asked.repetitions)]
    own: dict[str, list] = {name: [] for name in asked.only}
    held_out: dict[str, list] = {name: [] for name in asked.only}
    with ProcessPoolExecutor(asked.workers) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, _, mine, others in pool.map(one, jobs, chunksize=2):
            own[name].append(mine)
            held_out[name].append(others)
    regrets = {name: np.array(values) for name, values in own.items()}
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "repetitions": asked.repetitions,
        "own_seed": summarise(regrets),
        "mean_regret": {
            "epochs": GRID[::10].tolist(),
            **{name: np.nanmean(values, axis=0)[::10].round(4).tolist() for name, values in regrets.items()},
        },
        "other_seeds": summarise({name: np.array(values) for name, values in held_out.items()}),
    }
    asked.out.write_text(json.dumps(result, indent=1) + "\n")
    if asked.figure:
        asked.figure.write_text(figure(regrets).to_html())
    for part in ("own_seed", "other_seeds"):
        print(part)
        for name, facts in result[part].items():
            print(f"  {name:16} {json.dumps(facts)}")


if __name__ == "__main__":
    main()
