"""The files below a folder."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from attnspace.errors import DataError

__all__ = ["file_fault", "files_below", "files_in", "folders_in"]


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
        for path in _entries(here):
            if not path.is_dir():
                found.append(path)
            elif (place := _place(path)) not in above:
                waiting.append((path, above | {place}))
    return found


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, in the order of their names; hidden ones are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    return sorted(path for path in _entries(folder) if path.is_dir())


def files_in(folder: Path) -> list[Path]:
    """Everything in a folder that is no folder, in the order of their names; hidden ones are left out.

    Raises:
        DataError: the folder cannot be read.
    """
    return sorted(path for path in _entries(folder) if not path.is_dir())


def file_fault(path: Path) -> str | None:
    """Why a file cannot be read, in words; None if it looks as if it could. A pipe would be waited for without end."""
    try:
        mode = path.stat().st_mode
    except OSError as cause:
        nothing = path.is_symlink() and cause.errno == errno.ENOENT
        return "is a link to nothing" if nothing else f"cannot be read: {cause.strerror}"
    return None if stat.S_ISREG(mode) else "is no file of bytes, but a pipe, a socket or a device"


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
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
