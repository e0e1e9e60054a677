"""Tools of others on the recorded tables, in the terms of `search_efficiency.py`; each in its own default form.

    pip install smac==2.4.1 syne-tune==0.16.0 neural-pipeline-search==0.17.0     in an environment of its own
    python -m tests.benchmarks.peers --kept FOLDER [--repetitions 16] [--only NAME ...]

smac        SMAC3, MultiFidelityFacade: a random forest and Hyperband over 3 and 9 epochs, on the conditional space
syne-tune   Syne Tune, ASHA: asynchronous successive halving that stops; it knows no conditions
neps        NePS, PriorBand on ASHA without priors; it knows no conditions

Each is told the first rung that attnspace takes by itself.

All maximise the accuracy under the first seed of a repetition. A training goes on from where an earlier one of the same
design stopped, so that only further epochs are counted; what was trained before is looked up at no cost. What a tool
hands over is the best design that it has trained to the end.
"""

import argparse
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from attnspace.space.template import Hole, parameters
from attnspace.study.config import Rungs
from tests.benchmarks.search_efficiency import CAP, Trail, kept, shortened
from tests.benchmarks.tables import METRIC, NAMES, judge, study

FAILED = 0.0
FIRST = Rungs().budgets(9)[0].epochs
"""Epochs of the first rung."""

REPEATS = 3_000
"""Evaluations after which a tool that only repeats itself is given up."""


@dataclass
class Table:
    """A recorded table as an objective.

    Attributes:
        name, repetition: which table, and which seed of it.
        trail: what would be handed over, so far.
        spent: epochs trained so far.
    """

    name: str
    repetition: int
    trail: Trail = field(default_factory=list)
    spent: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        self._trained: dict[str, int] = {}
        self._best = -np.inf
        self._seed = judge(self.name).seeds(self.repetition)[0]

    @property
    def epochs(self) -> int:
        """Of a whole training."""
        return study(self.name).epochs

    @property
    def is_over(self) -> bool:
        """Whether the cap of epochs is reached."""
        return self.spent >= CAP or self.calls >= REPEATS

    def holes(self) -> Iterator[tuple[Hole, tuple[str, int] | None]]:
        """Each hole, and the option of another one inside which it is asked, by name and index; None if always."""
        space = study(self.name).space
        inside: dict[str, tuple[str, int]] = {}
        for hole in space.holes():  # outer ones come first, so that the last one that holds it is the nearest
            for index, option in enumerate(hole.options):
                inside |= {inner.name: (hole.name, index) for inner in parameters(option)}
        for hole in space.holes():
            yield hole, inside.get(hole.name)

    def __call__(self, options: dict[str, int], epochs: int) -> float:
        """The accuracy after so many epochs, of the design that takes these options, by hole and index."""
        space = study(self.name).space
        labels = {hole.name: hole.labels for hole in space.holes()}
        filling = space.answered({name: labels[name][index] for name, index in options.items() if name in labels})
        assert filling is not None
        design = study(self.name).design(filling).identity
        self.calls += 1
        found = study(self.name).method.table.find(design, self._seed)
        if found is None or len(found.history) < epochs:
            return FAILED
        self.spent += max(0, epochs - self._trained.get(design, 0))
        self._trained[design] = max(epochs, self._trained.get(design, 0))
        value = float(found.history[epochs - 1][METRIC])
        if epochs == self.epochs and value > self._best and self.spent <= CAP:
            self._best = value
            self.trail.append((self.spent, design))
        return value


def smac(table: Table) -> None:
    from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, EqualsCondition
    from smac import MultiFidelityFacade, Scenario
    from smac.runhistory.dataclasses import TrialValue

    space = ConfigurationSpace(seed=table.repetition)
    holes = list(table.holes())
    made = {hole.name: CategoricalHyperparameter(hole.name, list(range(len(hole.labels)))) for hole, _ in holes}
    space.add(list(made.values()))
    space.add([EqualsCondition(made[hole.name], made[at[0]], at[1]) for hole, at in holes if at])
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            space,
            deterministic=True,
            n_trials=REPEATS,
            min_budget=FIRST,
            max_budget=table.epochs,
            seed=table.repetition,
            output_directory=Path(folder),
        )
        facade = MultiFidelityFacade(scenario, lambda config, seed=0, budget=0: 0.0, overwrite=True, logging_level=50)
        while not table.is_over:
            info = facade.ask()
            value = table({name: int(index) for name, index in dict(info.config).items()}, round(info.budget))
            facade.tell(info, TrialValue(cost=1 - value, time=0.01))


def syne_tune(table: Table) -> None:
    import datetime

    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import choice
    from syne_tune.optimizer.baselines import ASHA
    from syne_tune.optimizer.scheduler import SchedulerDecision

    np.random.seed(table.repetition)
    space = {hole.name: choice(list(range(len(hole.labels)))) for hole, _ in table.holes()}
    scheduler = ASHA(
        space,
        metric=METRIC,
        do_minimize=False,
        time_attr="epoch",
        max_t=table.epochs,
        grace_period=FIRST,
        reduction_factor=3,
        random_seed=table.repetition,
    )
    number = 0
    while not table.is_over:
        suggestion = scheduler.suggest()
        trial = Trial(trial_id=number, config=suggestion.config, creation_time=datetime.datetime.now())
        number += 1
        scheduler.on_trial_add(trial)
        asked = _asked(table, suggestion.config)
        for epoch in range(1, table.epochs + 1):
            result = {METRIC: table(asked, epoch), "epoch": epoch}
            if scheduler.on_trial_result(trial, result) != SchedulerDecision.CONTINUE or table.is_over:
                break
        else:
            scheduler.on_trial_complete(trial, result)


def neps(table: Table) -> None:
    import neps as tool
    import torch

    torch.manual_seed(table.repetition)
    np.random.seed(table.repetition)
    import random

    random.seed(table.repetition)
    numbered = {f"h{i}": hole.name for i, (hole, _) in enumerate(table.holes())}
    space = {
        f"h{i}": tool.HPOCategorical([str(n) for n in range(len(hole.labels))])
        for i, (hole, _) in enumerate(table.holes())
    }
    space["epochs"] = tool.HPOInteger(FIRST, table.epochs, is_fidelity=True)
    optimizer = tool.algorithms.priorband(tool.SearchSpace(space), base="asha")
    loop = tool.AskAndTell(optimizer=optimizer)
    while not table.is_over:
        trial = loop.ask()
        config = dict(trial.config)
        epochs = int(config.pop("epochs"))
        value = table(_asked(table, {numbered[name]: int(index) for name, index in config.items()}), epochs)
        loop.tell(trial, 1 - value)


def _asked(table: Table, options: dict[str, Any]) -> dict[str, int]:
    """The options of the holes that are asked, where a tool answers all of them."""
    found: dict[str, int] = {}
    for hole, at in table.holes():
        if at is None or found.get(at[0]) == at[1]:
            found[hole.name] = int(options[hole.name])
    return found


PEERS: dict[str, Callable[[Table], None]] = {"smac": smac, "syne-tune": syne_tune, "neps": neps}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=16)
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    parser.add_argument("--tables", nargs="*", default=NAMES)
    parser.add_argument("--kept", type=Path, required=True, help="the folder of trails")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for repetition in range(asked.repetitions):
        for name in asked.tables:
            for peer in asked.only:
                path = kept(asked.kept, peer, name, repetition)
                if path.exists():
                    continue
                table = Table(name, repetition)
                PEERS[peer](table)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(shortened(table.trail)))
                print(f"{peer} {name} {repetition}: {table.calls} evaluations, {table.spent} epochs", flush=True)


if __name__ == "__main__":
    main()
