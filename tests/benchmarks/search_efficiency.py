"""How good the design is that a search hands over, by seeds that it did not see, against the epochs that it trained.

    python -m tests.benchmarks.search_efficiency --kept FOLDER [--repetitions 48] [--only NAME ...] [--tables NAME ...]

`tables.py` says what regret is here. What a search hands over after so many epochs is the design with the best
estimate of its mean over seeds; for tools that know no seeds, the best that was trained to the end. Every method has
the same cap of epochs. Baselines are not counted. Repeated suggestions of Optuna's samplers are looked up, at no cost.

Tools of others run in an environment of their own, by `peers.py`, into the same folder; what is found there is
reported. The table `digits` is what defaults were chosen on; `hands` is only reported.
"""

import argparse
import json
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import optuna
import plotly.graph_objects as go

from attnspace.record.evaluation import Evaluation, Outcome, Role
from attnspace.record.ledger import Ledger
from attnspace.search.progress import Watcher
from attnspace.search.scores import Scores
from attnspace.search.search import search
from attnspace.study.config import Rungs
from tests.benchmarks.machine import machine
from tests.benchmarks.tables import METRIC, NAMES, judge, study
from tests.searching import with_search

HERE = Path(__file__).parent
CAP = 1_200
GRID = np.arange(9, CAP + 1, 3)
LEVELS = (0.5, 0.25, 0.1)
AT = (300, 600, 1_200)

Trail = list[tuple[int, str]]
"""Epochs trained so far, and the design that would be handed over from there on."""

# name: sampler and rungs
OURS: dict[str, tuple[str, Rungs | None]] = {
    "forest": ("forest", Rungs()),
    "forest-one-seed": ("forest", Rungs(seeds=1)),
    "nsga2": ("nsga2", Rungs()),
    "nsga2-one-seed": ("nsga2", Rungs(seeds=1)),
    "evolution": ("evolution", Rungs()),
    "random": ("random", Rungs()),
    "random-one-seed": ("random", Rungs(seeds=1)),
    "random-whole": ("random", None),
}
OPTUNA = {
    "optuna-tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
    "optuna-nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
}

DRAWN = {
    "random-whole": ("random, every design to the end", "#8a8a8a"),
    "optuna-tpe": ("Optuna's TPE", "#c8553d"),
    "random": ("random, rungs of epochs and seeds", "#7fb3e6"),
    "forest-one-seed": ("forest, rungs of epochs", "#5a8f69"),
    "forest": ("forest, rungs of epochs and seeds (the default)", "#12407a"),
    "smac": ("SMAC3, multi-fidelity", "#e09f3e"),
    "syne-tune": ("Syne Tune's ASHA", "#8a5a83"),
    "neps": ("NePS, PriorBand", "#2a9d8f"),
}
"""Method -> its name and colour in the figure."""


class Enough(Exception):
    """The cap of epochs is reached."""


class Capped(Watcher):
    """Ends a search when its trials were trained for so many epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, Evaluation]] = []
        self.spent = 0
        self._before: dict[tuple[str, int], int] = {}

    def design_ends(self, row: Evaluation) -> None:
        """Count a row, and go on or not."""
        if row.role != Role.TRIAL:
            return
        key = row.design, row.seed
        self.spent += row.epochs - self._before.get(key, 0)
        self._before[key] = row.epochs
        if self.spent > CAP:
            raise Enough
        self.rows.append((self.spent, row))


def ours(name: str, table: str, repetition: int) -> Trail:
    """A search of attnspace."""
    sampler, rungs = OURS[name]
    again = with_search(study(table), sampler=sampler, rungs=rungs, trials=2_000, seed=repetition)
    watcher = Capped()
    with suppress(Enough):
        search(again, Ledger(Path(":memory:")), watcher)
    goals = again.config.objective.goals
    scores, trail = Scores(goals, len(again.seeds)), []
    for spent, row in watcher.rows:
        if row.outcome == Outcome.DONE:
            scores.add(row.design, again.seeds.index(row.seed), {METRIC: row.metric(METRIC)})
        elif row.outcome == Outcome.FAILED:
            scores.fail(row.design)
        else:
            continue
        if designs := scores.designs():
            trail.append((spent, designs[int(scores.estimates()[0][:, 0].argmax())]))
    return shortened(trail)


def optunas(name: str, table: str, repetition: int) -> Trail:
    """A sampler of Optuna's in a loop of ask and tell; every design is trained to the end, once."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plain = optuna.create_study(sampler=OPTUNA[name](repetition), direction="maximize")
    looked_up, seed = study(table).method.table, judge(table).seeds(repetition)[0]
    values: dict[str, float] = {}
    trail: Trail = []
    for _ in range(1_000):  # of which most are repeats, in the end
        trial = plain.ask()
        design = study(table).design(study(table).space.suggest(trial)).identity
        found = looked_up.find(design, seed)
        if found is None or found.reason:
            plain.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        values[design] = found.history[-1][METRIC]
        plain.tell(trial, values[design])
        spent = looked_up.epochs * len(values)
        if spent > CAP:
            break
        trail.append((spent, max(values, key=values.__getitem__)))
    return shortened(trail)


def shortened(trail: Iterable[tuple[int, str]]) -> Trail:
    """Only where the design changes."""
    kept: Trail = []
    for spent, design in trail:
        if not kept or kept[-1][1] != design:
            kept.append((spent, design))
    return kept


def kept(folder: Path, name: str, table: str, repetition: int) -> Path:
    """The file of a trail."""
    return folder / table / name / f"{repetition}.json"


def run(job: tuple[Path, str, str, int]) -> None:
    """Find a trail and keep it, unless it is there."""
    path = kept(*job)
    if path.exists():
        return
    name, table, repetition = job[1:]
    trail = (optunas if name in OPTUNA else ours)(name, table, repetition)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(trail))


def regrets(folder: Path, name: str, table: str) -> np.ndarray:
    """The regret at each point of the grid, (repetitions, points); NaN where nothing could be handed over yet."""
    rows = []
    for path in sorted((folder / table / name).glob("*.json"), key=lambda path: int(path.stem)):
        trail = [(int(spent), str(design)) for spent, design in json.loads(path.read_text())]
        values = [judge(table).regret(design, int(path.stem)) for _, design in trail]
        at = np.searchsorted([spent for spent, _ in trail], GRID, side="right") - 1
        rows.append([values[i] if i >= 0 else np.nan for i in at])
    return np.array(rows)


def summary(values: np.ndarray, rng: np.random.Generator) -> dict:
    """Mean regret at some numbers of epochs, and the epochs until it is within some levels, with 95% intervals."""
    drawn = [values[rng.integers(0, len(values), len(values))] for _ in range(1_000)]

    def both(statistic) -> dict:
        found = [statistic(one) for one in drawn]
        low, high = np.quantile(found, [0.025, 0.975], method="nearest")
        return {"value": clean(statistic(values)), "interval": [clean(low), clean(high)]}

    return {
        "repetitions": len(values),
        "regret_at": {str(epochs): both(lambda v, e=epochs: regret_at(v, e)) for epochs in AT},
        "epochs_to": {str(level): both(lambda v, n=level: epochs_to(v, n)) for level in LEVELS},
    }


def regret_at(values: np.ndarray, epochs: int) -> float:
    return float(np.nanmean(values[:, np.searchsorted(GRID, epochs, side="right") - 1]))


def epochs_to(values: np.ndarray, level: float) -> float:
    """Epochs until the mean regret is at the level, from which on it stays there; infinite if never."""
    mean = np.where(np.isnan(values).any(axis=0), np.inf, np.nanmean(values, axis=0))
    above = np.flatnonzero(mean > level)
    after = 0 if not len(above) else above[-1] + 1
    return float(GRID[after]) if after < len(GRID) else np.inf


def clean(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


def figure(found: dict[str, dict[str, np.ndarray]]) -> go.Figure:
    """Mean regret against epochs, a panel for each table, with a 95% band over repetitions for the default."""
    from plotly.subplots import make_subplots

    drawn = make_subplots(1, len(found), subplot_titles=list(found), shared_yaxes=True, horizontal_spacing=0.04)
    for column, methods in enumerate(found.values(), start=1):
        for name, (label, colour) in DRAWN.items():
            if name not in methods:
                continue
            values = methods[name]
            mean, half = np.nanmean(values, axis=0), 1.96 * np.nanstd(values, axis=0) / np.sqrt(len(values))
            band = {"x": np.r_[GRID, GRID[::-1]], "y": np.r_[mean + half, (mean - half)[::-1]]}
            line = {"color": colour, "width": 2.5}
            if name == "forest":
                drawn.add_scatter(
                    **band,
                    fill="toself",
                    line={"width": 0},
                    fillcolor=colour,
                    opacity=0.15,
                    showlegend=False,
                    hoverinfo="skip",
                    row=1,
                    col=column,
                )
            drawn.add_scatter(
                x=GRID, y=mean, mode="lines", name=label, line=line, showlegend=column == 1, row=1, col=column
            )
        drawn.update_xaxes(title="training epochs", type="log", range=[1.5, 3.08], row=1, col=column)
    drawn.update_layout(template="plotly_white", width=1_200, height=520, margin={"l": 70, "r": 20, "t": 40, "b": 60})
    drawn.update_layout(legend={"orientation": "h", "y": -0.16})
    drawn.update_yaxes(range=[-0.1, 3.0], title="regret, standard deviations of the designs", col=1)
    return drawn


def methods(folder: Path, table: str) -> Iterator[str]:
    """The methods of which there are trails."""
    yield from sorted(path.name for path in (folder / table).iterdir() if any(path.glob("*.json")))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=48)
    parser.add_argument("--only", nargs="*", default=[*OURS, *OPTUNA])
    parser.add_argument("--tables", nargs="*", default=NAMES)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "search_efficiency.json")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kept", type=Path, required=True, help="folder of trails; what is in it is not run again")
    asked = parser.parse_args()
    jobs = [
        (asked.kept, name, table, repetition)
        for repetition in range(asked.repetitions)
        for table in asked.tables
        for name in asked.only
    ]
    with ProcessPoolExecutor(asked.workers) as pool:
        list(pool.map(run, jobs, chunksize=2))
    found = {table: {n: regrets(asked.kept, n, table) for n in methods(asked.kept, table)} for table in asked.tables}
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "tables": {
            table: {
                "designs": len(judge(table).values) - len(judge(table).baselines),
                "seeds": len(judge(table).values.columns),
                "deviation": clean(judge(table).deviation),
                "methods": {name: summary(values, np.random.default_rng(0)) for name, values in by_name.items()},
            }
            for table, by_name in found.items()
        },
    }
    asked.out.write_text(json.dumps(result, indent=1) + "\n")
    if asked.figure:
        asked.figure.write_text(figure(found).to_html(config={"displayModeBar": False}))
    for table, by_name in result["tables"].items():
        print(table)
        for name, facts in by_name["methods"].items():
            shown = {key: {k: v["value"] for k, v in facts[key].items()} for key in ("regret_at", "epochs_to")}
            print(f"  {name:16} n={facts['repetitions']:3} {json.dumps(shown)}")


if __name__ == "__main__":
    main()
