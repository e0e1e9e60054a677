"""What a search says while it runs: live bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column

from attnspace.objective.goals import Goal
from attnspace.objective.metrics import METRICS
from attnspace.record.evaluation import Evaluation, Outcome, Phase, Role
from attnspace.search.scores import Scores
from attnspace.study.study import Study
from attnspace.training.epoch import Epoch
from attnspace.workers.job import Job

__all__ = ["LiveWatcher", "Watcher", "watcher_for"]


class Watcher:
    """Hears of every step of a search or a confirmation, and prints a line for each; on a quiet console nothing."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(quiet=True)
        self.epochs = 1
        self.goal = Goal("val_accuracy", "maximize")
        self.total = 0
        self.begun: set[Hashable] = set()
        self.resumed = 0
        self.already = 0
        self.leader = ""
        self.best_baseline: Evaluation | None = None
        self._seeds: tuple[int, ...] = ()
        self._climbs = False
        self._scores = Scores([self.goal], 1)
        self.began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def begin(self, study: Study, done: Sequence[Evaluation]) -> None:
        """Take note that a sitting begins; `done` are the rows of earlier ones."""
        self.epochs = study.epochs
        self.goal = study.config.objective.primary
        self._seeds, self._scores = study.seeds, Scores([self.goal], len(study.seeds))
        self._climbs = len(study.rungs) > 1
        self.total = len(study.baselines) + study.config.search.trials
        self.began = time.perf_counter()
        for row in done:
            self._compare(row)
        self._lead()
        self.resumed = len(self.begun)
        name, rungs = study.config.name, ", ".join(str(epochs) for epochs, seeds in study.rungs if seeds == 1)
        if done:
            self.console.print(f"{name}: resuming after {self.resumed} of {self.total} designs")
        else:
            further = f", the best under up to {len(study.seeds)} seeds" if len(study.seeds) > 1 else ""
            how = f"trained to epoch {rungs}{further}"
            trials = study.config.search.trials
            self.console.print(f"{name}: {len(study.baselines)} baselines and {trials} trials, {how}")

    def begin_confirmation(self, study: Study, designs: int, seeds: int, done: int) -> None:
        """Take note that a sitting of a confirmation begins; `done` trainings were finished in earlier ones."""
        self.epochs = study.epochs
        self.total = designs * seeds
        self.resumed = self.already = done
        self.began = time.perf_counter()
        again = f", {done} of {self.total} are trained" if done else ""
        self.console.print(f"{study.config.name}: confirming {designs} designs with {seeds} fresh seeds each{again}")

    def more(self, trainings: int) -> None:
        """Take note that a confirmation goes on with further trainings, those of controls."""
        self.total += trainings

    def design_begins(self, job: Job) -> None:
        """Take note that a design is about to be trained."""

    def epoch_ends(self, job: Job, epoch: Epoch) -> None:
        """Take note that an epoch of a design has ended."""

    def note(self, what: str) -> None:
        """Say something that the user should know."""
        self.console.print(what, markup=False, highlight=False, soft_wrap=True)

    def warn(self, what: str) -> None:
        """Warn the user of something."""
        self.console.print(f"note: {what}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    def design_ends(self, row: Evaluation) -> None:
        """Take note that a row is in the ledger."""
        if row.phase != Phase.SEARCH:
            self.begun.add((row.design, row.seed))
            shown = "test_accuracy" if row.phase == Phase.CONFIRM else self.goal.metric
            tested = row.metric(shown)
            result = f"failed: {row.reason}" if tested is None else f"{shown} {METRICS[shown].show(tested)}"
            where = f" [{row.placement}]" if row.role == Role.TRIAL else ""
            name = f"{row.name or row.label}{where}, seed {row.seed}"
            line = f"{self.ended}/{self.total}  {result}  {name}  ({self.time_left()})"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        self._compare(row)
        self._lead()
        value = row.metric(self.goal.metric)
        result = (
            f"{self.goal.metric} {METRICS[self.goal.metric].show(value)}"
            if value is not None
            else f"failed: {row.reason}"
        )
        name = row.name or row.label
        where = f" [{row.placement}]" if row.role == Role.TRIAL else ""
        where += f", seed {row.seed}" if self._seeds and row.seed != self._seeds[0] else ""
        after = f" after {row.epochs}" if row.outcome == Outcome.PAUSED else ""
        line = f"{self.ended}/{self.total}  {result}{after}  {name}{where}  ({self.best_so_far()}; {self.time_left()})"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @property
    def ended(self) -> int:
        """How many designs of a search have a first result, or how many trainings of a confirmation have ended."""
        return self.already + len(self.begun)

    def best_so_far(self) -> str:
        """The leading trial so far, by its estimated mean over seeds, against the best baseline, in words."""
        parts = [
            self.leader or "no trial at the end yet",
            f"best baseline {self.best_baseline.name} {self._value(self.best_baseline)}" if self.best_baseline else "",
        ]
        return ", ".join(filter(None, parts))

    def time_left(self) -> str:
        """How long the rest will take, estimated from this sitting, in words."""
        fresh = self.ended - self.resumed
        if not fresh:
            return "time left unknown"
        if self._climbs and self.ended >= self.total:
            return "the best go on"
        seconds = (time.perf_counter() - self.began) / fresh * (self.total - self.ended)
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} left"

    def _value(self, row: Evaluation) -> str:
        value = row.metric(self.goal.metric)
        assert value is not None
        return METRICS[self.goal.metric].show(value)

    def _compare(self, row: Evaluation) -> None:
        self.begun.add(row.design)
        value = row.metric(self.goal.metric)
        if row.outcome == Outcome.FAILED and row.role == Role.TRIAL:
            self._scores.fail(row.design)
        if value is None or row.outcome != Outcome.DONE:
            return
        if row.role == Role.BASELINE:
            led = self.best_baseline.metric(self.goal.metric) if self.best_baseline else None
            if led is None or self.goal.sign * value > self.goal.sign * led:
                self.best_baseline = row
        elif row.seed in self._seeds:
            self._scores.add(row.design, self._seeds.index(row.seed), {self.goal.metric: value})

    def _lead(self) -> None:
        """Say which trial leads by now."""
        designs = self._scores.designs()
        if not designs:
            self.leader = ""
            return
        estimates = self._scores.estimates()[0][:, 0]
        best = int((self.goal.sign * estimates).argmax())
        seeds = self._scores.seeds(designs[best])
        self.leader = f"leading {METRICS[self.goal.metric].show(float(estimates[best]))} (n={seeds})"


class LiveWatcher(Watcher):
    """A bar for the designs of the study, and one for the epochs of each design that is trained."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        say = TextColumn("{task.fields[say]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(width=11, no_wrap=True)),
            BarColumn(bar_width=14, table_column=Column(width=14)),
            MofNCompleteColumn(table_column=Column(width=9, no_wrap=True)),
            say,
            console=console,
            expand=True,
        )
        self._designs = self._progress.add_task("evaluations", total=None, say="")
        self._trained: dict[tuple[str, int], TaskID] = {}
        self._live = Live(Group(self._progress), console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, study: Study, done: Sequence[Evaluation]) -> None:
        super().begin(study, done)
        self._progress.update(self._designs, total=self.total, completed=self.ended, say=escape(self.best_so_far()))

    def design_begins(self, job: Job) -> None:
        name = escape(job.design.name or job.design.label)
        bar = self._progress.add_task("epochs", total=job.until, completed=job.since, say=name)
        self._trained[job.design.identity, job.seed] = bar

    def epoch_ends(self, job: Job, epoch: Epoch) -> None:
        self._progress.update(self._trained[job.design.identity, job.seed], completed=epoch.epoch)

    def begin_confirmation(self, study: Study, designs: int, seeds: int, done: int) -> None:
        super().begin_confirmation(study, designs, seeds, done)
        self._progress.update(self._designs, total=self.total, completed=self.ended, say="")

    def design_ends(self, row: Evaluation) -> None:
        super().design_ends(row)
        self._progress.remove_task(self._trained.pop((row.design, row.seed)))
        say = self.time_left() if row.phase != Phase.SEARCH else f"{self.best_so_far()}; {self.time_left()}"
        self._progress.update(self._designs, completed=self.ended, say=escape(say))


def watcher_for(console: Console) -> Watcher:
    """The watcher for a console: with bars in a terminal, else with lines."""
    return LiveWatcher(console) if console.is_terminal else Watcher(console)
