"""How far long work on data has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

__all__ = ["PATIENCE_S", "Watch", "progress_bar"]

Watch = Callable[[str, int, int], None]
"""A function that is told what is being done, how much of it is done, and how much there is in all."""

PATIENCE_S = 1.0
"""Seconds of work before a bar is shown."""


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[Watch]:
    """A bar on stderr, where that is a terminal, for work that takes longer than a moment."""
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    tasks: dict[str, TaskID] = {}
    began = time.monotonic()

    def watch(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done, total=total)
        if done < total and time.monotonic() - began > PATIENCE_S:
            progress.start()

    try:
        yield watch
    finally:
        if progress.live.is_started:  # one that was never started would write an empty line
            progress.stop()
