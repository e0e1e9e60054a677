"""Digests of what a source holds: the same for the same bytes, wherever they are kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from attnspace.data.folders import cache_folder, unwritable, write_whole
from attnspace.data.progress import Watch
from attnspace.errors import DataError

__all__ = ["content", "state"]

DIGITS = 64

Files = Sequence[tuple[str, Path]]


def content(files: Files, watch: Watch | None = None) -> str:
    """A digest of every file's name and bytes, in order.

    The digest is cached by path, size and time of change, so that unchanged files are not read again.

    Raises:
        DataError: a file cannot be read, or the cache cannot be written.
    """
    kept = cache_folder() / "digests" / state(files)
    try:
        if kept.is_file() and len(known := kept.read_bytes()) == DIGITS:
            return known.decode(errors="replace")
        digest = _read(files, watch)
        write_whole(kept, digest)
    except OSError as cause:
        raise unwritable(cause) from None
    return digest


def state(files: Files) -> str:
    """A digest of every file's name, path, size and time of change.

    Raises:
        DataError: a file cannot be read.
    """
    whole = hashlib.sha256()
    for name, path in files:
        found = _stat(path)
        # ctime too: copying with `cp -p` over a file of the same size leaves mtime alone
        whole.update(repr((name, str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ctime_ns)).encode())
    return whole.hexdigest()


def _read(files: Files, watch: Watch | None) -> str:
    whole = hashlib.sha256()
    total = sum(_stat(path).st_size for _, path in files)
    done = 0
    for name, path in files:
        try:
            with path.open("rb") as stream:
                whole.update(repr((name, hashlib.file_digest(stream, "sha256").hexdigest())).encode())
                done += stream.tell()
        except OSError as cause:
            raise _unreadable(path, cause) from None
        if watch:
            watch("read bytes", done, total)
    return whole.hexdigest()


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as cause:
        raise _unreadable(path, cause) from None


def _unreadable(path: Path, cause: OSError) -> DataError:
    return DataError(f"{path} cannot be read: {cause.strerror}", at=("path",))
