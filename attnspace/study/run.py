"""The run directory: which study it belongs to, who is using it, what is in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from attnspace.errors import RunError, join_path, shown
from attnspace.study.config import StudyConfig

__all__ = ["Run"]


class Run:
    """A directory of one study's results.

    study.yaml      the study, every default written out
    ledger.db       the ledger
    report.html, trials.parquet, winner.json    written from the ledger
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study_file = path / "study.yaml"
        self.ledger_file = path / "ledger.db"

    def check(self, config: StudyConfig) -> None:
        """Refuse a directory that holds anything but an earlier part of this study. Writes nothing.

        The number of trials may differ from the earlier part's.

        Raises:
            RunError: saying what differs.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise RunError("is a file", file=str(self.path), allowed="a directory", remedy="choose another with --run")
        if not self.study_file.exists():
            if any(self.path.iterdir()):
                raise RunError(
                    "holds other files and no study",
                    file=str(self.path),
                    allowed="an empty directory, or one of an earlier search",
                    remedy="choose another with --run",
                )
            return
        earlier = yaml.safe_load(self.study_file.read_text("utf-8"))
        differences = list(_differences(earlier, config.plain()))
        if differences:
            at, before, now = differences[0]
            others = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
            raise RunError(
                f"belongs to another study: {join_path(at)} is {shown(before)} there and {shown(now)} here{others}",
                file=str(self.path),
                allowed="the same study; only search.trials may change",
                remedy="give the changed study a name of its own, or choose another directory with --run",
            )

    @contextmanager
    def opened(self, config: StudyConfig) -> Iterator[None]:
        """Hold the directory for this process, creating it if need be.

        Raises:
            RunError: it cannot be written, or another process holds it.
        """
        self.check(config)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("a+")
        except OSError as cause:
            raise RunError(f"cannot be written: {cause.strerror}", file=str(self.path)) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise RunError(
                    f"is in use by process {lock.read().strip() or 'unknown'}",
                    file=str(self.path),
                    remedy="wait for it, or stop it; then give the same command again",
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self._write(config)
            yield

    def _write(self, config: StudyConfig) -> None:
        text = yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True)
        partial = self.study_file.with_suffix(".partial")
        try:
            partial.write_text(text, "utf-8")
            partial.replace(self.study_file)
        except OSError as cause:
            partial.unlink(missing_ok=True)
            raise RunError(f"cannot be written: {cause.strerror}", file=str(self.study_file)) from None


def _differences(earlier: Any, now: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if at in (("search", "trials"), ("doc",)):
        return
    if isinstance(earlier, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*earlier, *now)):
            yield from _differences(earlier.get(key), now.get(key), (*at, str(key)))
    elif earlier != now:
        yield at, earlier, now
