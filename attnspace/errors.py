"""The exceptions of attnspace.

    AttnspaceError                what, where, got, allowed, remedy
      SpecError      (ValueError)   a block spec that is not valid, or not possible at these channel counts
      SpaceError     (ValueError)   a space with a faulty hole, or with nothing left to try
      PlacementError (ValueError)   a slot that does not exist or cannot take the block
      StudyError     (ValueError)   a study file with a fault
      DataError      (ValueError)   images or labels that cannot be used
      ExportError    (RuntimeError) a block that cannot be written as a file for use without attnspace
      RunError       (RuntimeError) a run directory that cannot be used as asked
        RunFailed                   a search or report that began and could not be finished
    TrainingFailed   (RuntimeError) one evaluation that cannot be finished, as for want of memory
      TrainingDiverged              its loss is no longer a number

Inner code says the exact cause; outer code adds the path and the file with `within` and `in_file`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = [
    "AttnspaceError",
    "DataError",
    "ExportError",
    "LedgerLost",
    "NOTHING",
    "PathPart",
    "PlacementError",
    "RunError",
    "RunFailed",
    "SpaceError",
    "SpecError",
    "StudyError",
    "TrainingDiverged",
    "TrainingFailed",
    "brief",
    "in_file",
    "join_path",
    "shown",
    "within",
]

PathPart = str | int

NOTHING: Any = object()
"""Stands for `got` where no value was found; the message then says nothing of it."""


def join_path(at: tuple[PathPart, ...]) -> str:
    """Write a path as everywhere: `("blocks", 0, "squeeze")` -> `blocks.0.squeeze`."""
    return ".".join(str(part) for part in at)


def shown(value: Any, limit: int = 60) -> str:
    """The value as JSON text (its repr where JSON cannot hold it), cut to `limit` characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


class AttnspaceError(Exception):
    """A fault that the user can mend.

    Attributes:
        what: the cause, in words.
        at: the path inside the document, outermost part first; empty for the whole document.
        got: the value that was found, as text.
        allowed: what would have been accepted.
        remedy: what to do.
        file: the file, with `:line` when known.
        others: further faults of the same document, each of which its text tells in a line of its own.
    """

    def __init__(
        self,
        what: str,
        *,
        at: tuple[PathPart, ...] = (),
        got: Any = NOTHING,
        allowed: str | None = None,
        remedy: str | None = None,
        file: str | None = None,
        others: Sequence[AttnspaceError] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.at = at
        self.got = None if got is NOTHING else shown(got)
        self.allowed = allowed
        self.remedy = remedy
        self.file = file
        self.others = tuple(others)

    def __str__(self) -> str:
        return "\n".join([self._line(), *map(str, self.others)])

    def _line(self) -> str:
        where = [part for part in (self.file, join_path(self.at)) if part]
        facts = [
            brief(self.what),
            *([f"got {self.got}"] if self.got is not None else []),
            *([f"allowed: {self.allowed}"] if self.allowed else []),
            *([self.remedy] if self.remedy else []),
        ]
        return ": ".join([*where, "; ".join(facts)])


class SpecError(AttnspaceError, ValueError):
    """A block spec that is not valid, or not possible at these channel counts."""


class SpaceError(AttnspaceError, ValueError):
    """A space with a faulty hole, or with nothing left to try."""


class PlacementError(AttnspaceError, ValueError):
    """A slot that does not exist or cannot take the block."""


class StudyError(AttnspaceError, ValueError):
    """A study file with a fault."""


class DataError(AttnspaceError, ValueError):
    """Images or labels that cannot be used."""


class ExportError(AttnspaceError, RuntimeError):
    """A block that cannot be written as a file for use without attnspace."""


class RunError(AttnspaceError, RuntimeError):
    """A run directory that cannot be used as asked."""


class RunFailed(RunError):
    """A search or report that began and could not be finished; what was finished before is kept."""


class LedgerLost(RunFailed):
    """The ledger was removed or replaced while it was used."""


class TrainingFailed(RuntimeError):
    """One evaluation that cannot be finished; the search records why, and goes on."""


class TrainingDiverged(TrainingFailed):
    """The loss of one evaluation is no longer a number."""


def brief(text: object, most: int = 2_000) -> str:
    """What somebody else's error says: of a very long text the beginning and the end."""
    said = str(text)
    if len(said) <= most:
        return said
    return f"{said[: most // 2]} [{len(said) - most:,} more characters] {said[-most // 2 :]}"


@contextmanager
def within(*at: PathPart) -> Iterator[None]:
    """Put `at` in front of the path of any AttnspaceError raised inside."""
    try:
        yield
    except AttnspaceError as error:
        for fault in (error, *error.others):
            fault.at = (*at, *fault.at)
        raise


@contextmanager
def in_file(file: str) -> Iterator[None]:
    """Name `file` in any AttnspaceError raised inside that names none yet."""
    try:
        yield
    except AttnspaceError as error:
        for fault in (error, *error.others):
            fault.file = fault.file or file
        raise
