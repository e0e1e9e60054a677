"""Files that are written whole or not at all.

A file is written beside its place, under a name that no other process has, and takes its place when all of it is on
the disk. Neither a power cut nor two processes that write at once leave a half of one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import uuid
from pathlib import Path

from attnspace.errors import RunFailed

__all__ = ["is_partial", "partial_name", "sweep", "write_bytes", "write_text", "write_whole"]

MARK = ".partial-"


def write_text(path: Path, text: str) -> None:
    """Write a file of text, whole or not at all.

    Raises:
        RunFailed: the file cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of bytes, whole or not at all.

    Raises:
        RunFailed: the file cannot be written.
    """
    try:
        write_whole(path, content)
    except OSError as cause:
        raise RunFailed(f"cannot be written: {cause.strerror}", file=str(path)) from None


def write_whole(path: Path, content: bytes) -> None:
    """`write_bytes` for a caller who says in words of its own what it means that the file system refuses.

    A link stays a link; what is no file, such as `/dev/stdout`, is written to as it is.

    Raises:
        OSError: the file system refuses it.
    """
    path = path.resolve()
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        path.write_bytes(content)
        return
    partial = partial_name(path)
    try:
        with partial.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # what matters is why it could not be written
            partial.unlink(missing_ok=True)
        raise


def partial_name(path: Path) -> Path:
    """A name beside `path` for what is not whole yet: no other process has it, and it says whose it is."""
    return path.with_name(f"{path.name}{MARK}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def is_partial(path: Path) -> bool:
    """Whether the name of a file or folder says that it is not whole yet, as `partial_name` makes such names."""
    return MARK in path.name


def sweep(folder: Path) -> None:
    """Remove what processes of this machine that no longer run left unfinished, folders and files."""
    for left in folder.glob(f"*{MARK}*"):
        of, process, _ = left.name.rsplit("-", 2) if left.name.count("-") >= 2 else ("", "", "")
        ours = of.endswith(f"{MARK}{socket.gethostname()}")
        if ours and process.isdigit() and not _is_running(int(process)):
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
