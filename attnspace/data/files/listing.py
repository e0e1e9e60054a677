"""The files below a folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from attnspace.errors import DataError

__all__ = ["file_facts", "file_fault", "files_below", "files_in", "folders_in"]


def files_below(folder: Path) -> list[Path]:
    """Everything below a folder that is no folder, links to nothing too; hidden ones are left out.

    Links to folders are followed, but not back to a folder that they lie in.

    Raises:
        DataError: a folder cannot be read.
    """
    found: list[Path] = []
    waiting = [(folder, frozenset((_place(folder),)))]
    while waiting:
        here, above = waiting.pop()
        for path, is_folder in _entries(here):
            if not is_folder:
                found.append(path)
            elif (place := _place(path)) not in above:
                waiting.append((path, above | {place}))
    return found


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, in the order of their names; hidden ones are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    return sorted(path for path, is_folder in _entries(folder) if is_folder)


def files_in(folder: Path) -> list[Path]:
    """Everything in a folder that is no folder, in the order of their names; hidden ones are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    return sorted(path for path, is_folder in _entries(folder) if not is_folder)


def file_fault(path: Path) -> str | None:
    """Why a file cannot be read, in words; None if it looks as if it could."""
    found = file_facts(path)
    return found if isinstance(found, str) else None


def file_facts(path: Path) -> os.stat_result | str:
    """What is known of a file that looks as if it could be read; else why it cannot, in words.

    A pipe cannot: it would be waited for without end.
    """
    try:
        found = path.stat()
    except OSError as cause:
        nothing = path.is_symlink() and cause.errno == errno.ENOENT
        return "is a link to nothing" if nothing else f"cannot be read: {cause.strerror}"
    return found if stat.S_ISREG(found.st_mode) else "is no file of bytes, but a pipe, a socket or a device"


def _entries(folder: Path) -> list[tuple[Path, bool]]:
    """What is in a folder, and whether it is a folder, which the system says of most without a further question."""
    try:
        with os.scandir(folder) as entries:
            return [(folder / each.name, each.is_dir()) for each in entries if not each.name.startswith(".")]
    except OSError as cause:
        raise _unreadable(folder, cause) from None


def _place(folder: Path) -> tuple[int, int]:
    """What is the same for a folder and all links to it."""
    try:
        found = folder.stat()
    except OSError as cause:
        raise _unreadable(folder, cause) from None
    return found.st_dev, found.st_ino


def _unreadable(folder: Path, cause: OSError) -> DataError:
    return DataError(f"{folder} cannot be read: {cause.strerror}", at=("path",))
