"""Record the replay table: every design of `data/recorded.yaml` under three seeds, one row each, every epoch kept.

    python -m tests.benchmarks.digits_table FOLDER [SEED ...]     train (an hour on two cores), one run for each seed
    python -m tests.benchmarks.digits_table FOLDER --merge        put the runs together, and say how designs differ

The ratio of variances is that of a two-way analysis without the seeds' own effect, which all designs share: what
differs between designs, against what differs between seeds of one design.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from attnspace.results import load, write_parquet
from attnspace.study import Ledger, Run, Watcher, prepare, search
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
KEPT = ["role", "name", "design", "seed", "epochs", "label", "placement", "choices", "outcome", "reason", "history"]
COSTS = ["params", "flops", "activation_bytes", "val_accuracy", "val_loss"]


def study_of(seed: int, folder: Path) -> Path:
    """The study file with this seed."""
    study = yaml.safe_load((HERE / "data" / "recorded.yaml").read_text())
    study["search"]["seed"] = seed
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed{seed}.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def record(seed: int, folder: Path) -> None:
    study, run = prepare(study_of(seed, folder)), Run(folder / f"seed{seed}")
    with run.opened(study):
        search(study, Ledger(run.ledger_file), Watcher())


def merge(folder: Path) -> dict:
    runs = [load(folder / f"seed{seed}") for seed in SEEDS]
    table = pd.concat([run.frame[[*KEPT, *COSTS]] for run in runs], ignore_index=True)
    table["history"] = table["history"].map(lambda epochs: json.dumps([_rounded(epoch) for epoch in epochs]))
    table["choices"] = table["choices"].map(json.dumps)
    path = HERE / "data" / "digits.parquet"
    path.write_bytes(write_parquet(table, runs[0].study))
    return {"rows": len(table), "bytes": path.stat().st_size, **differences(table, runs[0].study["train"]["epochs"])}


def _rounded(epoch: dict) -> dict:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in epoch.items()}


def differences(table: pd.DataFrame, epochs: int) -> dict:
    """How designs and seeds differ at each rung and at the end."""
    trials = table[(table["role"] == "trial") & (table["outcome"] == "done")]
    histories = trials["history"].map(json.loads)
    found: dict = {"designs": int(trials["design"].nunique())}
    for after in (1, 3, epochs):
        for metric in ("val_accuracy", "val_loss"):
            values = histories.map(lambda history, a=after, m=metric: history[a - 1][m])
            wide = trials.assign(value=values).pivot_table(index="design", columns="seed", values="value").dropna()
            found[f"{metric} after {after}"] = variances(wide.to_numpy())
    return found


def variances(values: np.ndarray) -> dict:
    """(designs, seeds) -> variance between and within designs, and their ratio."""
    n = values.shape[1]
    residual = values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + values.mean()
    within = float((residual**2).sum() / ((values.shape[0] - 1) * (n - 1)))
    between = float(values.mean(1).var(ddof=1)) - within / n
    return {
        "mean": float(values.mean()),
        "sd_between": max(0.0, between) ** 0.5,
        "sd_within": within**0.5,
        "ratio": between / within,
    }


def main() -> None:
    folder, *rest = sys.argv[1:]
    if rest != ["--merge"]:
        for seed in map(int, rest or SEEDS):
            record(seed, Path(folder))
        return
    result = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), **merge(Path(folder))}
    (HERE / "results" / "digits_table.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
