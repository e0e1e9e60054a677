"""An SQLite file that one process writes and others read, in WAL mode, so that no reader holds up the writer.

What cannot be written now, since another process writes or the disk is full, is tried again for some minutes: a
training of an hour must not be lost for want of a kilobyte.

Source: https://sqlite.org/wal.html
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from attnspace.errors import LedgerLost, RunFailed

__all__ = ["Database", "PATIENCE_S", "reading"]

PATIENCE_S = 600.0
"""How long what cannot be written is tried again."""

LOCKED_S = 5.0
"""How long SQLite itself waits for a lock, before that counts as a fault."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0

PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""What the names of faults begin with that may pass."""

THERE = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")
"""The names of the faults that say that a row with the same key is in the table already."""


class Database:
    """The file `path`, which is made if need be.

    Args:
        path: the file.
        note: hears, once for each time, that something cannot be written yet.
    """

    def __init__(self, path: Path, note: Callable[[str], None] = lambda text: None) -> None:
        self.path = path
        self._note = note
        self.engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": LOCKED_S})
        sa.event.listen(self.engine, "connect", _set_up)
        self._file: tuple[int, int] | None = None

    def begin(self, make: Callable[[sa.Connection], None]) -> None:
        """Bring the tables into their form of today, then turn on WAL mode.

        Raises:
            RunFailed: the file cannot be opened or written, or is no database.
        """
        with self._faults():
            with self.engine.begin() as connection:
                make(connection)
            with self.engine.connect() as connection, suppress(sa.exc.OperationalError):
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # where it cannot be, there is the patience
        self._file = _identity(self.path)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection to read by.

        Raises:
            RunFailed: the file cannot be read.
        """
        with self._faults(), self.engine.connect() as connection:
            yield connection

    def write(self, statements: Callable[[sa.Connection], None], patience_s: float | None = None) -> None:
        """Carry out statements in one transaction, durably; what cannot be written now is tried again for a while.

        Args:
            statements: what is to be done.
            patience_s: for how many seconds; by default for ten minutes.

        Raises:
            RunFailed: it cannot be written, or the file is not the one that was opened any more.
        """
        began, pause, was_cut_off = time.monotonic(), FIRST_PAUSE_S, False
        patience_s = PATIENCE_S if patience_s is None else patience_s
        with self._faults():
            while True:
                try:
                    self._check_there()
                    with self.engine.begin() as connection:
                        statements(connection)
                    return
                except sa.exc.IntegrityError as cause:
                    if was_cut_off and _named(cause).startswith(THERE):  # it was written, and only the answer was lost
                        return
                    raise
                except sa.exc.OperationalError as cause:
                    if time.monotonic() - began >= patience_s or not _may_pass(cause):
                        raise
                    if pause == FIRST_PAUSE_S:
                        self._note(
                            f"{self.path} cannot be written yet: {cause.orig}; trying again for "
                            f"{patience_s / 60:.0f} minutes, and nothing is lost so long"
                        )
                    was_cut_off = _named(cause).startswith("SQLITE_IOERR")
                    time.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Close the file, and leave one file, which can be copied, and read where nothing can be written."""
        self.engine.dispose()
        if self._file is not None and _identity(self.path) == self._file:
            with suppress(sqlite3.Error), closing(sqlite3.connect(self.path)) as connection:
                connection.execute("PRAGMA journal_mode=DELETE")  # not while somebody reads; then the next one does it

    def _check_there(self) -> None:
        """Refuse to write to a file that has gone: the system would take it all without a word, and lose it.

        Raises:
            LedgerLost: another file stands in its place, or none.
        """
        if self._file is not None and _identity(self.path) != self._file:
            raise LedgerLost(
                "was removed or replaced while it was used",
                file=str(self.path),
                remedy="put the run directory back where it was, and give the same command again",
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as cause:
            raise RunFailed(
                f"the ledger cannot be used: {cause.orig}",
                file=str(self.path),
                remedy="check free space and permissions; what was finished before is kept",
            ) from cause


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, beside a process that may be writing.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30.0)) as connection:
        yield connection


def _set_up(connection: Any, record: Any) -> None:
    """A row that was written stays written, whatever happens to the machine."""
    connection.execute("PRAGMA synchronous=FULL")


def _may_pass(cause: sa.exc.OperationalError) -> bool:
    return _named(cause).startswith(PASSING)


def _named(cause: sa.exc.DBAPIError) -> str:
    """SQLite's name of a fault."""
    return str(getattr(cause.orig, "sqlite_errorname", ""))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
