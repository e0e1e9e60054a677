"""The cache folder, and folders in it that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attnspace.errors import DataError

__all__ = ["appearing", "cache_folder", "discard", "in_words", "unwritable", "write_whole"]

MARK = ".partial-"


def cache_folder() -> Path:
    """Where decoded images are kept: `$ATTNSPACE_CACHE`, `$XDG_CACHE_HOME/attnspace` or `~/.cache/attnspace`."""
    if own := os.environ.get("ATTNSPACE_CACHE"):
        return Path(own).expanduser().absolute()
    above = os.environ.get("XDG_CACHE_HOME")
    return (Path(above) if above else Path.home() / ".cache").absolute() / "attnspace"


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, which takes its name when all went well and is removed when it did not.

    Where another process was faster, its folder stays. What processes that were killed left behind is removed first.

    Raises:
        OSError: the file system refuses it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    partial = _partial_name(folder)
    partial.mkdir()
    try:
        yield partial
        try:
            partial.rename(folder)
        except OSError as cause:
            if cause.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process was faster
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove a folder that others may be looking at: it is gone at once, not file by file.

    Raises:
        OSError: the file system refuses it.
    """
    doomed = _partial_name(folder)
    with contextlib.suppress(FileNotFoundError):  # another process has removed it
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Write a small file, whole or not at all. What processes that were killed left behind is removed first.

    Raises:
        OSError: the file system refuses it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    partial = _partial_name(path)
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def unwritable(cause: OSError, needed: int | None = None) -> DataError:
    """The error for a cache that cannot be written."""
    root = cache_folder()
    facts = [f"decoded images cannot be kept here: {cause.strerror or cause}"]
    if needed:
        facts.append(f"they need {in_words(needed)}")
    with contextlib.suppress(OSError):  # where there is no folder, nothing is known of its room
        facts.append(f"{in_words(shutil.disk_usage(root).free)} are free")
    remedy = "make room, or set ATTNSPACE_CACHE to a folder that has it"
    return DataError("; ".join(facts), file=str(root), remedy=remedy)


def in_words(count: int) -> str:
    """A number of bytes as text: `3.1 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _partial_name(path: Path) -> Path:
    return path.with_name(f"{path.name}{MARK}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def _sweep(folder: Path) -> None:
    """Remove what processes of this machine that no longer run left unfinished, folders and files."""
    for left in folder.glob(f"*{MARK}{socket.gethostname()}-*"):
        process = left.name.rsplit("-", 2)[1]
        if process.isdigit() and not _is_running(int(process)):
            _remove(left)


def _remove(path: Path) -> None:
    """Remove a folder or a file, or what can be removed of it: another process may be removing it too."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
