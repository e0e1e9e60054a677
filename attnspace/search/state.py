"""The state of a search, as its ledger tells: what is known, what waits on which rung, what the sampler has heard."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from attnspace.objective.forecast import Forecast
from attnspace.record.evaluation import Evaluation, Outcome, Role
from attnspace.samplers.growing import GrowingArray
from attnspace.search.halving import Halving
from attnspace.search.scores import Scores
from attnspace.search.suggester import Suggester
from attnspace.study.design import Design
from attnspace.study.study import Study
from attnspace.workers.job import Job

__all__ = ["SearchState"]


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
        halving: who goes on next.
    """

    def __init__(self, study: Study, suggester: Suggester) -> None:
        self._study = study
        self._suggester = suggester
        self._goals = study.config.objective.goals
        self._epochs = tuple(rung.epochs for rung in study.rungs if rung.seeds == 1)  # climbed under the first seed
        rungs, primary = study.config.search.rungs, self._goals.index(study.config.objective.primary)
        self.seen: set[str] = set()
        self.halving: Halving[str] = Halving(len(study.rungs), rungs.factor if rungs else 2, len(self._goals), primary)
        self._rows: dict[str, Evaluation] = {}
        self._under_way: set[tuple[str, int]] = set()
        self._numbers: set[int | None] = set()
        self._next_number = 0
        self._waiting = _Waiting(len(self._goals))
        self._stale = False
        self._is_asked = True
        self._designs: dict[str, Design] = {}
        self._scores = Scores(self._goals, len(study.seeds))
        self._indices: dict[str, int] = {}
        self._climbing: dict[str, int] = {}
        self._failed: set[str] = set()
        self._shifts = np.zeros(len(self._goals))
        self._forecasts = {goal.metric: Forecast(self._epochs, goal.sign) for goal in self._goals if goal.is_learnt}

    @property
    def trials(self) -> int:
        """How many trials were begun."""
        return len(self._rows) + len({design for design, _ in self._under_way} - self._rows.keys())

    def next_number(self) -> int:
        """The smallest number that no trial has: one that was lost on the way leaves its number to another."""
        while self._next_number in self._numbers:
            self._next_number += 1
        return self._next_number

    def under_way(self) -> list[str]:
        """Designs that are being trained."""
        return [design for design, _ in self._under_way]

    def first_stop(self) -> int:
        """The epoch until which a new design is trained: that of the first rung which tells enough of the end."""
        forecast = self._forecasts[self._study.config.objective.primary.metric]
        return next((epochs for epochs in self._epochs[:-1] if forecast.tells(epochs)), self._epochs[-1])

    def begin(self, job: Job) -> None:
        """Take note that a job is handed over, so that nothing else trains the same."""
        design = job.design.identity
        self.seen.add(design)
        if job.design.role != Role.TRIAL:
            return
        self._under_way.add((design, job.seed))
        self._numbers.add(job.trial)
        if job.since:
            self.halving.begin(design, self._epochs.index(job.since))

    def climb(self, design: str, rung: int) -> None:
        """Take note that a design goes on to a rung of several seeds."""
        if design not in self._failed:
            self.halving.begin(design, rung - 1)
            self._climbing[design] = rung

    def next_seed(self) -> tuple[str, int] | None:
        """The design and seed of the next training of a design that goes on in seeds; None if all are begun."""
        for design, rung in self._climbing.items():
            for number in range(self._study.rungs[rung].seeds):
                seed = self._study.seeds[number]
                if not self._scores.known(design, number) and (design, seed) not in self._under_way:
                    return design, seed
        return None

    def number(self, design: str) -> int | None:
        """The number of the trial that began with a design."""
        return self._rows[design].trial

    def design(self, identity: str) -> Design:
        """A design that was begun, in this sitting or an earlier one."""
        if identity not in self._designs:
            row = self._rows[identity]
            self._designs[identity] = self._study.recorded_design(row.spec, row.choices, row.design)
        return self._designs[identity]

    def recall(self, rows: Sequence[Evaluation]) -> None:
        """Take in the rows of earlier sittings, as `add` does one after the other.

        Of what the sampler was told before it was asked for each trial, the last time alone is done again: nobody asks
        in between, and what it was told last is all that it knows.
        """
        begun, failed, is_stale, last = set[str](), set[str](), False, 0
        for number, row in enumerate(rows):
            if row.role != Role.TRIAL:
                continue
            if row.design not in begun and is_stale:
                last, is_stale = number, False
            begun.add(row.design)
            is_stale |= self._changes(row, failed)
            if self._values(row) is None:
                failed.add(row.design)
        self._is_asked = False
        for row in rows[:last]:
            self._take_in(row)
        self._is_asked = True
        for row in rows[last:]:
            self.add(row)

    def add(self, row: Evaluation, design: Design | None = None) -> None:
        """Take in a row of the ledger."""
        if row.role == Role.TRIAL and row.design not in self._rows:
            self.refresh()  # as before the sampler was asked for this trial
        self._take_in(row, design)

    def _values(self, row: Evaluation) -> dict[str, float] | None:
        """The values of the objectives that a training came to; None where it failed, or one is no finite number."""
        found = {goal.metric: row.metric(goal.metric) for goal in self._goals}
        values = {metric: value for metric, value in found.items() if value is not None and math.isfinite(value)}
        return values if row.outcome != Outcome.FAILED and len(values) == len(self._goals) else None

    def _changes(self, row: Evaluation, failed: Collection[str]) -> bool:
        """Whether what is expected of other trials changes by a row: by a value beyond the first rung."""
        if row.role != Role.TRIAL or row.outcome == Outcome.FAILED:
            return False
        if row.seed == self._study.seeds[0] and row.epochs > self._epochs[0]:
            return True
        ends = row.outcome == Outcome.DONE and row.design not in failed
        return ends and self._values(row) is not None

    def _take_in(self, row: Evaluation, design: Design | None = None) -> None:
        self.seen.add(row.design)
        self._stale |= self._changes(row, self._failed)
        if row.seed == self._study.seeds[0]:
            self._learn(row)
        if row.role != Role.TRIAL:
            return
        self._under_way.discard((row.design, row.seed))
        self._numbers.add(row.trial)
        self._rows[row.design] = row
        if design is not None:
            self._designs[row.design] = design
        values = self._values(row)
        number = self._study.seeds.index(row.seed)
        if number:
            self.climb(row.design, self._rung_of(number))
        if values is None:
            self._fail(row.design, self._rung_of(number) if number else self._epochs.index(row.epochs))
        elif row.outcome == Outcome.PAUSED:
            self._pause(row, [values[goal.metric] for goal in self._goals])
        else:
            self._finish(row, number, values)

    def _rung_of(self, number: int) -> int:
        """The rung for which a design is trained under its n-th seed."""
        return next(rung for rung, (_, seeds) in enumerate(self._study.rungs) if seeds > number)

    def _pause(self, row: Evaluation, values: list[float]) -> None:
        rung = self._epochs.index(row.epochs)
        self.halving.report(row.design, rung, [g.sign * value for g, value in zip(self._goals, values, strict=True)])
        expected = self._expected(row.epochs, values).tolist() if self._is_asked else values
        index = self._suggester.tell(row.design, row.choices, expected)
        self._waiting.put(index, rung, values)

    def _finish(self, row: Evaluation, number: int, values: dict[str, float]) -> None:
        design = row.design
        self._scores.add(design, number, values)
        if design in self._failed:
            return
        rung = self._climbing.get(design, len(self._epochs) - 1)
        seeds = self._study.rungs[rung].seeds
        if all(self._scores.known(design, earlier) for earlier in range(seeds)):
            self._climbing.pop(design, None)
            self.halving.report(design, rung, self._scores.means(design, seeds))
        if number == 0:
            index = self._suggester.tell(design, row.choices, [values[goal.metric] for goal in self._goals])
            self._waiting.put(index, -1, [math.nan] * len(self._goals))
            self._indices[design] = index

    def _fail(self, design: str, rung: int) -> None:
        if design in self._failed:
            return
        self._failed.add(design)
        self._climbing.pop(design, None)
        self._scores.fail(design)
        self.halving.report(design, rung, None)
        if (index := self._suggester.forget(design)) is not None:
            self._waiting.put(index, -1, [math.nan] * len(self._goals))

    def refresh(self) -> None:
        """Tell the sampler what is expected by now of every design. To be called before it is asked.

        Of those that wait on a rung it is told what they would reach at the end; of those that reached it, the estimate
        of their mean over seeds.
        """
        if not self._stale:
            return
        self._stale = False
        if designs := self._scores.designs():
            estimates, self._shifts = self._scores.estimates()
            self._suggester.change([self._indices[design] for design in designs], estimates)
        for rung, epochs in enumerate(self._epochs):
            indices, found = self._waiting.on(rung)
            self._suggester.change(indices, self._expected(epochs, found))  # thousands of them, for each new trial

    def _expected(self, epochs: int, found: Sequence[float] | np.ndarray) -> np.ndarray:
        """What is expected at the end of what was found at a rung; what is known before the training stays as it is.

        Shape:
            found: (objectives) of one trial, or (trials, objectives); the result has the same
        """
        lines = [self._forecasts[g.metric].line(epochs) if g.is_learnt else (0.0, 1.0) for g in self._goals]
        intercepts, slopes = np.array(lines).T
        return np.asarray(self._shifts + intercepts + slopes * np.asarray(found))

    def _learn(self, row: Evaluation) -> None:
        """Take in how values at the rungs went on."""
        if row.outcome == Outcome.FAILED or row.role != Role.TRIAL:
            return
        for metric, forecast in self._forecasts.items():
            values = {epochs: row.metric_after(metric, epochs) for epochs in self._epochs if epochs <= row.epochs}
            forecast.learn(row.design, {epochs: value for epochs, value in values.items() if value is not None})
