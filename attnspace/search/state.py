"""The state of a search, as its ledger tells: what is known, what waits on which rung, what the sampler has heard."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

from attnspace.objective.forecast import Forecast
from attnspace.record.evaluation import Evaluation, Outcome, Role
from attnspace.samplers.growing import GrowingArray
from attnspace.search.halving import Halving
from attnspace.search.suggester import Suggester
from attnspace.study.design import Design
from attnspace.study.study import Study
from attnspace.workers.job import Job

__all__ = ["SearchState", "TrialKey"]


class TrialKey(NamedTuple):
    """What identifies a trial: a design and the seed that it is trained under."""

    design: str
    seed: int


class _Waiting:
    """Which trials wait on which rung, and what was found of them there, by the suggester's indices.

    Args:
        objectives: how many values a trial has.
    """

    def __init__(self, objectives: int) -> None:
        self._rungs = GrowingArray(1, np.int64)
        self._found = GrowingArray(objectives)

    def put(self, index: int, rung: int, found: Sequence[float]) -> None:
        """Note that a trial waits on a rung; -1 if it waits no more."""
        if index == len(self._rungs):
            self._rungs.append([rung])
            self._found.append(found)
        else:
            self._rungs.rows[index] = rung
            self._found.rows[index] = found

    def on(self, rung: int) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the trials that wait on a rung, and what was found of them: (n) and (n, objectives)."""
        indices = np.flatnonzero(self._rungs.columns[0] == rung)
        return indices, self._found.rows[indices]


class SearchState:
    """What is known of a search, from the rows of its ledger in their order.

    Attributes:
        seen: identities of all designs that were begun.
        trials: how many trials were begun.
        halving: who goes on next.
    """

    def __init__(self, study: Study, suggester: Suggester) -> None:
        self._study = study
        self._suggester = suggester
        self._goals = study.config.objective.goals
        rungs = study.config.search.rungs
        self.seen: set[str] = set()
        self.halving: Halving[TrialKey] = Halving(study.rungs, rungs.factor if rungs else 2, len(self._goals))
        self._rows: dict[TrialKey, Evaluation] = {}
        self._under_way: set[TrialKey] = set()
        self._numbers: set[int | None] = set()
        self._next_number = 0
        self._waiting = _Waiting(len(self._goals))
        self._stale = False
        self._designs: dict[TrialKey, Design] = {}
        self._seeds: dict[str, list[float | None]] = {}
        self._means: dict[str, float] = {}
        self._promising: set[str] | None = None
        self._forecasts = {
            (goal.metric, epochs): Forecast() for goal in self._goals if goal.is_learnt for epochs in study.rungs
        }

    @property
    def trials(self) -> int:
        """How many trials were begun."""
        return len(self._rows) + len(self._under_way - self._rows.keys())

    def next_number(self) -> int:
        """The smallest number that no trial has: one that was lost on the way leaves its number to another."""
        while self._next_number in self._numbers:
            self._next_number += 1
        return self._next_number

    def under_way(self) -> set[TrialKey]:
        """Trials that are being trained."""
        return set(self._under_way)

    def begin(self, job: Job) -> None:
        """Take note that a job is handed over, so that nothing else trains the same."""
        key = TrialKey(job.design.identity, job.seed)
        self.seen.add(job.design.identity)
        if job.design.role != Role.TRIAL:
            return
        self._under_way.add(key)
        self._numbers.add(job.trial)
        if job.since:
            self.halving.begin(key, self._study.rungs.index(job.since))

    def number(self, key: TrialKey) -> int | None:
        """The number of the trial that began with a design and seed."""
        return self._rows[key].trial

    def design(self, key: TrialKey) -> Design:
        """A design that was begun, in this sitting or an earlier one."""
        if key not in self._designs:
            row = self._rows[key]
            self._designs[key] = self._study.recorded_design(row.spec, row.choices, row.design)
        return self._designs[key]

    def further_seed(self, design: str) -> int | None:
        """The next seed of a known design, if it is promising: one of the best that reached the end."""
        search = self._study.config.search
        if self._promising is None:  # sought when it is needed, as one trial may be suggested many known designs
            self._promising = set(heapq.nlargest(search.promising, self._means, key=self._means.__getitem__))
        tried = len(self._seeds.get(design, ()))
        seed = self._study.seed(tried)
        key = TrialKey(design, seed)
        is_new = key not in self._rows and key not in self._under_way  # a table may hold fewer seeds than are asked for
        return seed if is_new and design in self._promising and tried < search.seeds else None

    def add(self, row: Evaluation, design: Design | None = None) -> None:
        """Take in a row of the ledger."""
        if row.role == Role.TRIAL and TrialKey(row.design, row.seed) not in self._rows:
            self.refresh()  # as before the sampler was asked for this trial
        self.seen.add(row.design)
        self._stale |= self._learn(row)
        if row.role != Role.TRIAL:
            return
        key = TrialKey(row.design, row.seed)
        self._under_way.discard(key)
        self._numbers.add(row.trial)
        self._rows[key] = row
        if design is not None:
            self._designs[key] = design
        if row.outcome != Outcome.PAUSED:
            value = row.metric(self._study.config.objective.primary.metric)
            self._seeds.setdefault(row.design, []).append(value)
            self._take_mean(row.design)
            self._designs.pop(key, None)
        found = [row.metric(goal.metric) for goal in self._goals]
        values = [value for value in found if value is not None]
        complete = row.outcome != Outcome.FAILED and len(values) == len(self._goals)
        if row.seed == self._study.seed():
            ranked = [goal.sign * value for goal, value in zip(self._goals, values, strict=True)] if complete else None
            self.halving.report(key, self._study.rungs.index(row.epochs), ranked)
        if not complete:
            if (index := self._suggester.forget(key)) is not None:
                self._waiting.put(index, -1, [math.nan] * len(self._goals))
        elif row.outcome == Outcome.PAUSED:
            index = self._suggester.tell(key, row.choices, self._expected(row.epochs, values).tolist())
            self._waiting.put(index, self._study.rungs.index(row.epochs), values)
        else:
            self._waiting.put(self._suggester.tell(key, row.choices, values), -1, values)

    def refresh(self) -> None:
        """Tell the sampler what is expected by now of designs that wait on a rung. To be called before it is asked."""
        if not self._stale:
            return
        self._stale = False
        for rung, epochs in enumerate(self._study.rungs):
            indices, found = self._waiting.on(rung)
            self._suggester.change(indices, self._expected(epochs, found))  # thousands of them, for each new trial

    def _expected(self, epochs: int, found: Sequence[float] | np.ndarray) -> np.ndarray:
        """What is expected at the end of what was found at a rung; what is known before the training stays as it is.

        Shape:
            found: (objectives) of one trial, or (trials, objectives); the result has the same
        """
        forecasts = self._forecasts
        lines = [forecasts[g.metric, epochs].line() if g.is_learnt else (0.0, 1.0) for g in self._goals]
        intercepts, slopes = np.array(lines).T
        return np.asarray(intercepts + slopes * np.asarray(found))

    def _learn(self, row: Evaluation) -> bool:
        """Take in how values at the rungs went on; whether any forecast has changed."""
        if row.outcome == Outcome.FAILED:
            return False
        for (metric, epochs), forecast in self._forecasts.items():
            at_rung = row.metric_after(metric, epochs)
            if at_rung is None:
                continue
            if epochs == row.epochs:
                forecast.see(at_rung)
            at_end = row.metric(metric)
            if row.outcome == Outcome.DONE and epochs < row.epochs and at_end is not None:
                forecast.learn(at_rung, at_end)
        return row.outcome == Outcome.DONE and len(self._study.rungs) > 1

    def _take_mean(self, design: str) -> None:
        """Note the mean of a design that reached the end over its seeds, signed so that more is better."""
        values = [value for value in self._seeds[design] if value is not None]
        if values:
            self._means[design] = self._study.config.objective.primary.sign * fmean(values)
            self._promising = None
