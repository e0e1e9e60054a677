"""How a search stands, as its ledger tells: who is known, who waits on which rung, what the sampler has heard."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from attnspace.forecast import Forecast
from attnspace.space import Filling
from attnspace.study.design import Design, Study
from attnspace.study.halving import Halving
from attnspace.study.ledger import Evaluation
from attnspace.study.suggester import Suggester

__all__ = ["Standing", "TrialKey"]


@dataclass(frozen=True)
class TrialKey:
    """A design under a seed."""

    design: str
    seed: int


class Standing:
    """Fed with the rows of the ledger, in their order.

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
        self._paused: dict[TrialKey, Evaluation] = {}
        self._stale = False
        self._designs: dict[TrialKey, Design] = {}
        self._seeds: dict[str, list[float | None]] = {}
        self._forecasts = {
            (goal.metric, epochs): Forecast() for goal in self._goals if goal.is_learnt for epochs in study.rungs
        }

    @property
    def trials(self) -> int:
        return len(self._rows)

    def number(self, key: TrialKey) -> int | None:
        """The number of the trial that began with a design and seed."""
        return self._rows[key].trial

    def design(self, key: TrialKey) -> Design:
        """A design that was begun, in this sitting or an earlier one."""
        if key not in self._designs:
            row = self._rows[key]
            self._designs[key] = self._study.design(Filling(row.spec, row.choices))
        return self._designs[key]

    def further_seed(self, design: str) -> int | None:
        """The next seed of a known design, if it is promising: one of the best that reached the end."""
        search = self._study.config.search
        means = self._means()
        best = sorted(means, key=lambda known: means[known], reverse=True)[: search.promising]
        tried = len(self._seeds.get(design, ()))
        seed = self._study.seed(tried)
        is_new = TrialKey(design, seed) not in self._rows  # a table may hold fewer seeds than are asked for
        return seed if is_new and design in best and tried < search.seeds else None

    def add(self, row: Evaluation, design: Design | None = None) -> None:
        """A row is in the ledger."""
        if row.role == "trial" and TrialKey(row.design, row.seed) not in self._rows:
            self.refresh()  # as before the sampler was asked for this trial
        self.seen.add(row.design)
        self._stale |= self._learn(row)
        if row.role != "trial":
            return
        key = TrialKey(row.design, row.seed)
        self._rows[key] = row
        if design is not None:
            self._designs[key] = design
        if row.outcome != "paused":
            value = row.metric(self._study.config.objective.primary.metric)
            self._seeds.setdefault(row.design, []).append(value)
            self._designs.pop(key, None)
        if row.seed == self._study.seed():
            values = [goal.sign * value for goal in self._goals if (value := row.metric(goal.metric)) is not None]
            complete = row.outcome != "failed" and len(values) == len(self._goals)
            self.halving.report(key, self._study.rungs.index(row.epochs), values if complete else None)
        if row.outcome == "paused":
            self._paused[key] = row
        else:
            self._paused.pop(key, None)
        if row.outcome == "failed":
            self._suggester.forget(key)
        else:
            self._tell(key, row)

    def refresh(self) -> None:
        """Tell the sampler what is expected by now of designs that wait on a rung. To be called before it is asked."""
        if self._stale:
            self._stale = False
            for key, row in self._paused.items():
                self._tell(key, row)

    def _learn(self, row: Evaluation) -> bool:
        """Take in how values at the rungs went on; whether any forecast has changed."""
        if row.outcome == "failed":
            return False
        for (metric, epochs), forecast in self._forecasts.items():
            at_rung = row.metric_after(metric, epochs)
            if at_rung is None:
                continue
            if epochs == row.epochs:
                forecast.see(at_rung)
            at_end = row.metric(metric)
            if row.outcome == "done" and epochs < row.epochs and at_end is not None:
                forecast.learn(at_rung, at_end)
        return row.outcome == "done" and len(self._study.rungs) > 1

    def _tell(self, key: TrialKey, row: Evaluation) -> None:
        values = []
        for goal in self._goals:
            value = row.metric(goal.metric)
            if value is None:
                return
            if row.outcome == "paused" and goal.is_learnt:
                value = self._forecasts[goal.metric, row.epochs](value)
            values.append(value)
        self._suggester.tell(key, row.choices, values)

    def _means(self) -> dict[str, float]:
        """Design -> mean over its seeds, signed so that more is better, of those that reached the end."""
        sign = self._study.config.objective.primary.sign
        return {
            design: sign * fmean(value for value in values if value is not None)
            for design, values in self._seeds.items()
            if any(value is not None for value in values)
        }
