"""Record a replay table: every design of a study in `data/` under several seeds, one row each, every epoch kept.

    python -m tests.benchmarks.recorded_table digits FOLDER --seed 0                 train under one seed; goes on
    python -m tests.benchmarks.recorded_table hands FOLDER --seed 0 --data IMAGES    the same, of photographs
    python -m tests.benchmarks.recorded_table digits FOLDER --merge                  put the seeds together, and say how
                                                                                     designs differ

A seed takes 15 to 25 minutes of a core. `digits` needs no images, `hands` the folder `sign_digits`
(github.com/ardamavi/Sign-Language-Digits-Dataset, scaled to 64 pixels).

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
from attnspace.data import facts
from attnspace.record.results import write_parquet
from attnspace.study.design import Design
from attnspace.study.loading import prepare
from attnspace.study.study import Study
from attnspace.training.training import Training
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent


def record(study: Study, seed: int, folder: Path) -> None:
    """Append what is missing to the file of this seed."""
    torch.set_num_threads(1)
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


def merge(study: Study, name: str, folder: Path) -> dict:
    """Add what was recorded to `data/NAME.parquet`; how large it is and how designs and seeds differ."""
    path = HERE / "data" / f"{name}.parquet"
    lines = [line for file in sorted(folder.glob("seed*.jsonl")) for line in file.read_text().splitlines()]
    table = pd.DataFrame(map(json.loads, lines))
    table["history"] = table["history"].map(lambda epochs: json.dumps([_rounded(epoch) for epoch in epochs]))
    table["choices"] = table["choices"].map(json.dumps)
    if path.exists():
        table = pd.concat([pd.read_parquet(path), table], ignore_index=True)
        table = table.drop_duplicates(["design", "seed"], keep="last", ignore_index=True)
    plain = study.config.plain()
    for section, key in (("data", "path"), ("backbone", "import")):  # where they are on this machine is of no use
        if key in plain[section]:
            plain[section][key] = Path(plain[section][key]).name
    path.write_bytes(write_parquet(table, plain, facts(study.data)))
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
    parser.add_argument("name", choices=("digits", "hands"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="where the images are")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int)
    what.add_argument("--merge", action="store_true")
    asked = parser.parse_args()
    study = prepare(HERE / "data" / f"{asked.name}.yaml", data_folder=asked.data)
    if not asked.merge:
        record(study, asked.seed, asked.folder)
        return
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        **merge(study, asked.name, asked.folder),
    }
    (HERE / "results" / f"{asked.name}_table.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
