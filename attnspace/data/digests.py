"""Digests of what a source holds: the same for the same bytes, wherever they are kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from attnspace.data.files.listing import file_facts, file_fault
from attnspace.data.folders import cache_folder, keep_text, unwritable
from attnspace.data.progress import Watch

__all__ = ["Content", "content", "kept_digests", "state"]

UNREADABLE = ""
"""Stands for the digest of a file that cannot be read: such files are no duplicates of each other."""

_DIGEST = re.compile(r"(?:[0-9a-f]{2}){16,32}|")

Files = Sequence[tuple[str, Path]]


@dataclass(frozen=True)
class Content:
    """Digests of files.

    Attributes:
        whole: of every file's name and bytes, in order.
        each: of every file's bytes, in order; empty where a file cannot be read.
        state: see `state`; what it was when they were read, or known.
    """

    whole: str
    each: tuple[str, ...]
    state: str


def content(files: Files, watch: Watch | None = None) -> Content:
    """The digests of files, each of which is read once.

    They are cached by path, size and time of change, so that unchanged files are not read again.

    Raises:
        DataError: the cache cannot be written.
    """
    now = state(files)
    each = kept_digests(now, len(files), lambda: _read(files, watch))
    whole = hashlib.sha256()
    for (name, path), digest in zip(files, each, strict=True):
        whole.update(repr((name, digest if digest != UNREADABLE else file_fault(path))).encode())
    return Content(whole.hexdigest(), each, now)


def kept_digests(key: str, count: int, make: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    """So many digests from the cache, or made now and kept there under a key.

    Raises:
        DataError: the cache cannot be written.
    """
    kept = cache_folder() / "digests" / key
    try:
        if kept.is_file() and len(known := _whole_lines(kept.read_bytes())) == count:
            return known
        made = tuple(make())
        keep_text(kept, "".join(f"{line}\n" for line in (*made, _sum(made))))
    except OSError as cause:
        raise unwritable(cause) from None
    return made


def state(files: Files) -> str:
    """A digest of every file's name, path, size and time of change, or of what keeps it from being read."""
    whole = hashlib.sha256()
    for name, path in files:
        # ctime too: copying with `cp -p` over a file of the same size leaves mtime alone
        found = file_facts(path)
        facts = (found,) if isinstance(found, str) else (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        whole.update(repr((name, str(path.absolute()), *facts)).encode())
    return whole.hexdigest()


def _read(files: Files, watch: Watch | None) -> list[str]:
    known = [file_facts(path) for _, path in files]
    sizes = [0 if isinstance(found, str) else found.st_size for found in known]
    done, total, digests = 0, sum(sizes), list[str]()
    for (_, path), size in zip(files, sizes, strict=True):
        digests.append(_digest(path))
        done += size
        if watch:
            watch("read bytes", done, total)
    return digests


def _digest(path: Path) -> str:
    if file_fault(path):
        return UNREADABLE
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # what it is, is said of the image when it is read
        return UNREADABLE


def _whole_lines(kept: bytes) -> tuple[str, ...]:
    """The digests of a kept file; none if it is damaged."""
    lines = tuple(kept.decode(errors="replace").split("\n"))
    *digests, last, rest = lines if len(lines) > 1 else ("", *lines)
    whole = rest == "" and last == _sum(digests) and all(_DIGEST.fullmatch(line) for line in digests)
    return tuple(digests) if whole else ()


def _sum(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
