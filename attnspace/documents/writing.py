"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

from attnspace.errors import RunFailed

__all__ = ["write_bytes", "write_text"]


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
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as cause:
        with contextlib.suppress(OSError):  # what matters is why it could not be written
            partial.unlink(missing_ok=True)
        raise RunFailed(f"cannot be written: {cause.strerror}", file=str(path)) from None
