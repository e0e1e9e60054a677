"""Record the replay table: every design of `data/recorded.yaml` under several seeds, one row each, every epoch kept.

    python -m tests.benchmarks.digits_table FOLDER --seed 0      train under one seed, 15 minutes of a core; goes on
    python -m tests.benchmarks.digits_table FOLDER --merge       put the seeds together, and say how designs differ

The ratio of variances is that of a two-way analysis without the seeds' own effect, which all designs share: what
differs between designs, against what differs between seeds of one design.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from attnspace.costs.network import cost
from attnspace.record.results import write_parquet
from attnspace.study.design import Design
from attnspace.study.loading import prepare
from attnspace.study.study import Study
from attnspace.training.training import Training
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
STUDY = HERE / "data" / "recorded.yaml"


def record(seed: int, folder: Path) -> None:
    """Append what is missing to the file of this seed."""
    torch.set_num_threads(1)
    study = prepare(STUDY)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed{seed}.jsonl"
    known = {json.loads(line)["design"] for line in path.read_text().splitlines()} if path.exists() else set()
    with path.open("a") as file:
        for design in (*study.baselines, *map(study.design, study.space.enumerate())):
            if design.identity not in known:
                known.add(design.identity)
                file.write(json.dumps(trained(study, design, seed)) + "\n")
                file.flush()


def trained(study: Study, design: Design, seed: int) -> dict:
    """One row."""
    with torch.device("meta"):
        costs = cost(study.network(design), study.data.input_shape)
    torch.manual_seed(seed)
    training = Training(study.network(design), study.data, study.config.train, seed)
    history = [epoch.to_dict() for epoch in training.run(study.epochs)]
    return {
        "role": design.role,
        "name": design.name,
        "design": design.identity,
        "seed": seed,
        "epochs": study.epochs,
        "label": design.label,
        "placement": design.document.placement.label() if design.plan else "",
        "choices": dict(design.choices),
        "outcome": "done",
        "reason": None,
        "history": history,
        "params": costs.params,
        "flops": costs.flops,
        "activation_bytes": costs.activation_bytes,
        "val_accuracy": history[-1]["val_accuracy"],
        "val_loss": history[-1]["val_loss"],
    }


def merge(folder: Path) -> dict:
    """Write `data/digits.parquet`; how large it is and how designs and seeds differ."""
    lines = [line for path in sorted(folder.glob("seed*.jsonl")) for line in path.read_text().splitlines()]
    table = pd.DataFrame(map(json.loads, lines))
    table["history"] = table["history"].map(lambda epochs: json.dumps([_rounded(epoch) for epoch in epochs]))
    table["choices"] = table["choices"].map(json.dumps)
    study = prepare(STUDY)
    path = HERE / "data" / "digits.parquet"
    path.write_bytes(write_parquet(table, study.config.plain()))
    return {"rows": len(table), "bytes": path.stat().st_size, **differences(table, study.epochs)}


def _rounded(epoch: dict) -> dict:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in epoch.items()}


def differences(table: pd.DataFrame, epochs: int) -> dict:
    """How designs and seeds differ at each rung and at the end."""
    trials = table[(table["role"] == "trial") & (table["outcome"] == "done")]
    histories = trials["history"].map(json.loads)
    found: dict = {"designs": int(trials["design"].nunique()), "seeds": sorted(map(int, trials["seed"].unique()))}
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
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int)
    what.add_argument("--merge", action="store_true")
    asked = parser.parse_args()
    if not asked.merge:
        record(asked.seed, asked.folder)
        return
    result = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), **merge(asked.folder)}
    (HERE / "results" / "digits_table.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
