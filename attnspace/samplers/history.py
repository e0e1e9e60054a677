"""What a sampler learns from: the completed trials of a study, with all their values in one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from attnspace.samplers.dominance import ranked
from attnspace.samplers.growing import GrowingArray

__all__ = ["History"]


class History:
    """Completed trials in the order of their numbers, and their values.

    While trials wait on a rung what is expected of them changes, of thousands at a time. So their values are kept in
    an array; Optuna's own trials have them after `write`.

    Args:
        directions: of the objectives.
        primary: the index of the objective that designs are for; others are costs.
    """

    def __init__(self, directions: Sequence[StudyDirection], primary: int = 0) -> None:
        self.primary = primary
        self._signs = np.array([1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in directions])
        self._trials: list[FrozenTrial] = []
        self._values = GrowingArray(len(directions))
        self._has_failed = GrowingArray(1, bool)
        self._unwritten: set[int] = set()
        self._best: tuple[int, list[FrozenTrial]] | None = None

    @classmethod
    def of(cls, study: Study) -> History:
        """The history of any Optuna study."""
        history = cls(study.directions)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            history.add(trial)
        return history

    def __len__(self) -> int:
        return len(self._trials) - int(self._has_failed.columns.sum())

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every completed trial; their own values may be older than those of the history."""
        if len(self) == len(self._trials):
            return self._trials
        return [trial for trial, failed in zip(self._trials, self._has_failed.columns[0], strict=True) if not failed]

    @property
    def points(self) -> np.ndarray:
        """What was found of each trial, or is expected: (trials, objectives), signed so that more is better."""
        return (self._values.rows * self._signs)[~self._has_failed.columns[0]]

    def best(self, count: int) -> list[FrozenTrial]:
        """The best trials, the best first: those in reach of the best, by front, in a front the least crowded first."""
        if self._best is None or self._best[0] != count:  # one trial may be asked for many times
            trials = self.trials
            self._best = count, [trials[index] for index in ranked(self.points, count, self.primary)]
        return self._best[1]

    def add(self, trial: FrozenTrial) -> int:
        """Add a completed trial, and return its index."""
        self._trials.append(trial)
        self._has_failed.append([False])
        self._best = None
        return self._values.append(trial.values)

    def change(self, indices: Sequence[int] | np.ndarray, values: Sequence[float] | np.ndarray) -> None:
        """Give some trials other values: (indices, objectives), or the same for all."""
        self._values.rows[indices] = values
        self._unwritten.update(np.asarray(indices).tolist())
        self._best = None

    def drop(self, index: int) -> None:
        """Forget a trial, which has failed after all."""
        self._has_failed.rows[index] = True
        self._trials[index].state = TrialState.FAIL
        self._best = None

    def write(self) -> None:
        """Write changed values into Optuna's trials, for samplers that look for them there."""
        for index in self._unwritten:
            self._trials[index].values = self._values.rows[index].tolist()
        self._unwritten.clear()
