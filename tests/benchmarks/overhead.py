"""Milliseconds for each trial of a search besides its training: suggestion, identity, cost, ledger and promotions.

    python -m tests.benchmarks.overhead [--sampler NAME ...]

The space is that of `studies/digits.yaml`, 261,660 fillings, with its rungs, limits and objectives. Trainings are made
up; the ledger is a file. It is filled with made-up trials first, without costing them; then 100 trials are timed.
"""

import argparse
import json
import random
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from attnspace.record.ledger import Ledger
from attnspace.search.feasibility import Feasibility
from attnspace.search.progress import Watcher
from attnspace.search.search import search
from attnspace.study.loading import prepare
from attnspace.study.study import Study
from attnspace.training.epoch import Epoch
from attnspace.training.method import Assignment, Method, Run, Workplace
from tests.benchmarks.machine import machine
from tests.searching import with_search

HERE = Path(__file__).parent
STUDY = HERE.parents[1] / "studies" / "digits.yaml"
TIMED = 100


class MadeUpRun(Run):
    """A training that takes no time: a design's value is drawn by its name, and nears it epoch by epoch."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.value = random.Random(name).gauss(0.9, 0.02)

    def run(self, until: int, on_epoch: object = None) -> None:
        values = [self.value - 0.3 / epoch for epoch in range(1, until + 1)]
        self.history = [
            Epoch(epoch, {"train_loss": 1 - value, "val_loss": 1 - value, "val_accuracy": value, "lr": 0.1})
            for epoch, value in enumerate(values, start=1)
        ]


class MadeUp(Method):
    """Every design has a made-up result; with the costs of the plain network, made-up costs too, within the limits."""

    def __init__(self, epochs: int, plain: dict | None = None) -> None:
        self.epochs = epochs
        self._plain = plain

    def protocol(self) -> str:
        return "made up"

    def begin(self, assignment: Assignment, place: Workplace, state: object) -> Run:
        return MadeUpRun(assignment.design)

    def costs(self, design: str) -> dict | None:
        if self._plain is None:
            return None
        more = random.Random(f"costs of {design}").uniform(0, 0.05)
        return self._plain | {name: round(self._plain[name] * (1 + more)) for name in ("params", "flops")}


class Stopwatch(Watcher):
    """Notes when the first row of each trial from this number on was written."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.next = first
        self.at: list[float] = []

    def design_ends(self, row: object) -> None:
        if row.trial == self.next:
            self.next += 1
            self.at.append(time.perf_counter())


def searched(study: Study, ledger: Ledger, first: int, trials: int) -> np.ndarray:
    """Milliseconds between the trials from number `first` on, with the promotions in between."""
    watch = Stopwatch(first)
    search(with_search(study, trials=trials), ledger, watch)
    return np.diff(watch.at) * 1e3


def measured(study: Study, sampler: str, sizes: list[int]) -> dict:
    study = with_search(study, sampler=sampler)
    plain = dict(Feasibility(study).costs(study.plain))
    cheap = replace(with_search(study, sampler="random"), method=MadeUp(study.epochs, plain))
    costed = replace(study, method=MadeUp(study.epochs))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.db")
        for size in sizes:
            searched(cheap, ledger, 0, size)
            steps = searched(costed, ledger, size, size + TIMED)
            found[str(size)] = {
                "median_ms": float(np.median(steps)),
                "mean_ms": float(steps.mean()),
                "p90_ms": float(np.quantile(steps, 0.9)),
                "n": len(steps),
            }
            print(sampler, size, found[str(size)])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sampler", nargs="*", default=["evolution", "nsga2", "random", "tpe"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[100, 1_000, 10_000])
    parser.add_argument("--out", type=Path, default=HERE / "results" / "overhead.json")
    asked = parser.parse_args()
    study = prepare(STUDY)
    samplers: dict = {}
    result = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), "samplers": samplers}
    for name in asked.sampler:
        samplers[name] = measured(study, name, [size for size in asked.sizes if name != "tpe" or size <= 1_000])
        asked.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
