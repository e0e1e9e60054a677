"""The cache folder, and folders in it that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attnspace.documents.writing import partial_name, sweep, write_whole
from attnspace.errors import DataError

__all__ = ["appearing", "cache_folder", "discard", "in_words", "keep_text", "unwritable"]


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
    sweep(folder.parent)
    partial = partial_name(folder)
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
    doomed = partial_name(folder)
    with contextlib.suppress(FileNotFoundError):  # another process has removed it
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def keep_text(path: Path, text: str) -> None:
    """Keep a small file, whole or not at all. What processes that were killed left behind is removed first.

    Raises:
        OSError: the file system refuses it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    write_whole(path, text.encode("utf-8"))


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
