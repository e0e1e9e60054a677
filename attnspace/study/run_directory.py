"""The run directory: which study it belongs to, who is using it, what is in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from attnspace.data import facts
from attnspace.documents.reading import read
from attnspace.documents.writing import is_partial, sweep, write_text
from attnspace.errors import AttnspaceError, LedgerLost, RunError, join_path, shown
from attnspace.record.evaluation import RENAMED
from attnspace.record.kept import LEDGER_FILE, TABLE_FILE, require_ledger
from attnspace.record.ledger import is_begun
from attnspace.record.results import DATA_FILE
from attnspace.study.config import written_out
from attnspace.study.study import Study

__all__ = ["RunDirectory", "comparable", "differences"]

ELSEWHERE = (("data", "path"), ("data", "import"), ("backbone", "import"), ("train", "import"))
"""Where something is. What it is counts in the protocol, by its content."""


RESULTS = {TABLE_FILE, "report.html", "winner.json"}
"""Files that are written from the ledger."""

CHANGED = {
    "data": "its images, their labels or their splits were others",
    "code": "the files that it imports functions from held other code",
}
"""Parts of what a study means that are no part of its file."""


class RunDirectory:
    """A directory of one study's results.

    study.yaml      the study, every default written out
    meaning.json    what its holes and baselines meant when it began
    data.json       how many images each class had in each split, and the notes on them
    ledger.db       the ledger
    checkpoints/    trainings that wait on a rung, while the search goes on
    weights/        what a confirmation keeps, see attnspace.record.weights
    report.html, trials.parquet, winner.json    written from the ledger
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study_file = path / "study.yaml"
        self.meaning_file = path / "meaning.json"
        self.data_file = path / DATA_FILE
        self.ledger_file = path / LEDGER_FILE
        self.checkpoint_folder = path / "checkpoints"

    def check(self, study: Study) -> None:
        """Refuse a directory that holds anything but an earlier part of this study. Writes nothing.

        The number of trials may differ from the earlier part's.

        Raises:
            RunError: saying what differs.
        """
        with self._faults():
            if not self.path.exists():
                return
            if not self.path.is_dir():
                raise RunError(
                    "is a file", file=str(self.path), allowed="a directory", remedy="choose another with --run"
                )
            held = {entry.name for entry in self.path.iterdir() if not is_partial(entry)} - {".lock"}
            is_empty = not is_begun(self.ledger_file)
        require_ledger(self.path, "a search that goes on")
        if is_empty and (results := sorted(held & RESULTS)):
            raise RunError(
                f"holds {results[0]}, and a ledger.db without evaluations, or none: a search would begin anew and "
                "write over what is there",
                file=str(self.path),
                remedy="put the ledger.db of this run back, or choose another directory with --run",
            )
        if not {"study.yaml", "meaning.json"} <= held:
            if held - {"meaning.json", DATA_FILE}:
                raise RunError(
                    "holds other files and no study",
                    file=str(self.path),
                    allowed="an empty directory, or one of an earlier search",
                    remedy="choose another with --run",
                )
            return
        earlier = comparable(read(self.study_file, RunError).data)
        self._refuse(differences(earlier, study.config.plain()), "belongs to another study")
        meaning, now = _today(read(self.meaning_file, RunError).data), study.meaning()
        for part, what in CHANGED.items():
            if isinstance(meaning, Mapping) and meaning.get(part) != now[part]:
                raise RunError(
                    f"was begun when {what}",
                    file=str(self.path),
                    remedy="undo the change, give the study another name, or choose another directory with --run",
                )
        self._refuse(differences(meaning, now), "was begun when this study meant something else")

    def _refuse(self, differences: Iterator[tuple[tuple[str, ...], Any, Any]], what: str) -> None:
        found = list(differences)
        if found:
            at, before, now = found[0]
            others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise RunError(
                f"{what}: {join_path(at)} is {shown(before)} there and {shown(now)} here{others}",
                file=str(self.path),
                allowed="the same study; search.trials, search.workers, confirm, doc, data.faulty and places of files "
                "may change",
                remedy="give the changed study a name of its own, choose another directory with --run, "
                f"or take the run's results over with: attnspace migrate {self.path} STUDY",
            )

    @contextmanager
    def opened(self, study: Study) -> Iterator[None]:
        """Hold the directory for this process, creating it if need be; without anything on record it is left empty.

        Raises:
            RunError: it is another study's, cannot be written, or another process holds it.
        """
        self.check(study)
        with self._faults():
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("a+")
        with lock:
            with self._faults():
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.seek(0)
                    raise RunError(
                        f"is in use by process {lock.read().strip() or 'unknown'}",
                        file=str(self.path),
                        remedy="wait for it, or stop it; then give the same command again",
                    ) from None
            self.check(study)  # another search may have begun and ended between the first check and the lock
            with self._faults():
                lock.truncate(0)
                lock.write(str(os.getpid()))
                lock.flush()
            sweep(self.path)
            # The study last: where it is, everything is.
            told = facts(study.data) | {"notes": list(study.notes)}
            write_text(self.data_file, json.dumps(told, indent=1) + "\n")
            write_text(self.meaning_file, json.dumps(study.meaning(), indent=1) + "\n")
            write_text(self.study_file, yaml.safe_dump(study.config.plain(), sort_keys=False, allow_unicode=True))
            is_lost = False
            try:
                yield
            except LedgerLost:
                is_lost = True
                raise
            finally:
                if not (is_lost or self._beside("wal").exists() or is_begun(self.ledger_file)):
                    self._forget()

    def _beside(self, what: str) -> Path:
        """A file of SQLite's beside the ledger: `wal` holds what was written last, `shm` where in it."""
        return self.ledger_file.with_name(f"{LEDGER_FILE}-{what}")

    def _forget(self) -> None:
        """Remove what was written of a search that came to nothing, so that a mended study may use the place."""
        for file in (self.study_file, self.meaning_file, self.data_file, self.ledger_file, self._beside("shm")):
            file.unlink(missing_ok=True)
        if self.checkpoint_folder.exists():
            shutil.rmtree(self.checkpoint_folder)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as cause:
            raise RunError(f"cannot be used: {cause.strerror}", file=str(self.path)) from None


def _today(meaning: Any) -> Any:
    """What a study meant, as an earlier version wrote it, under the names of today."""
    if not isinstance(meaning, Mapping):
        return meaning
    return {RENAMED.get(str(key), key): value for key, value in meaning.items()}


def comparable(study: Any) -> Any:
    """A study as plain data, with today's defaults where one of an earlier version says nothing; else as it is."""
    try:
        return written_out(study) if isinstance(study, Mapping) else study
    except AttnspaceError:
        return study


FREE = (("search", "trials"), ("search", "workers"), ("doc",), ("confirm",), ("data", "faulty"))
"""What may change in a run. A study that `faulty` refused has no run, so that no result depends on it."""


def differences(earlier: Any, now: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Find where two studies differ, as plain data: the path, what the earlier one says, and what is said now."""
    if at in (*FREE, *ELSEWHERE):
        return
    if isinstance(earlier, list | tuple) and isinstance(now, list | tuple) and len(earlier) == len(now):
        for i, (before, after) in enumerate(zip(earlier, now, strict=True)):
            yield from differences(before, after, (*at, str(i)))
    elif isinstance(earlier, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*earlier, *now)):
            yield from differences(earlier.get(key), now.get(key), (*at, str(key)))
    elif earlier != now:
        yield at, earlier, now
