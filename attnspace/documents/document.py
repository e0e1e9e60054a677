"""The data of one file, and where each part of it stands, so that faults name file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from attnspace.errors import AttnspaceError, PathPart

__all__ = ["Document"]


@dataclass(frozen=True)
class Document:
    """The data of one file, and where each part of it stands.

    Attributes:
        data: what the file says, as mappings, lists and scalars.
        file: its path, as the user gave it.
        lines: path in the document -> line number, where the format tells.
        over: the document that was merged over this one, whose values stand where both have a key.
        whole: names of the sections that were taken whole from `over`, not merged.
    """

    data: Any
    file: str
    lines: Mapping[tuple[PathPart, ...], int] = field(default_factory=dict)
    over: Document | None = None
    whole: tuple[str, ...] = ()

    def under(self, over: Document, same_kind: Callable[[str, Any, Any], bool]) -> Document:
        """Merge another document over this one: where both have a key, the other's value stands.

        Args:
            over: the document whose values stand.
            same_kind: tells whether two sections of one name may be merged; otherwise that of `over` is taken whole.
        """
        if not isinstance(self.data, dict) or not isinstance(over.data, dict):
            return replace(self, data=over.data, over=over)
        merged, alone = dict(self.data), []
        for name, section in over.data.items():
            if name not in merged or not same_kind(name, merged[name], section):
                alone.append(name)
            merged[name] = section if name in alone else _merged(merged[name], section)
        return replace(self, data=merged, over=over, whole=tuple(alone))

    def place(self, error: AttnspaceError) -> AttnspaceError:
        """Name the file, and the line if known, in an error that lacks them, and in the others that it tells of."""
        for other in error.others:
            self.place(other)
        if error.file is None and self.over is not None and self._is_overs(error.at):
            return self.over.place(error)
        if error.file is None:
            at = error.at
            while at and at not in self.lines:
                at = at[:-1]
            line = self.lines.get(at) if at else None
            error.file = f"{self.file}:{line}" if line else self.file
        return error

    def _is_overs(self, at: tuple[PathPart, ...]) -> bool:
        """Whether the value at a path comes from `over`, not from this document."""
        assert self.over
        return (bool(at) and at[0] in self.whole) or self.over._says(at)

    def _says(self, at: tuple[PathPart, ...]) -> bool:
        """Whether this document holds the value at a path, or the list that the path leads into."""
        here = self.data
        for part in at:
            if not isinstance(here, dict):
                break
            if part not in here:
                return False
            here = here[part]
        return bool(at)


def _merged(before: Any, now: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return now
    return {**before, **{key: _merged(before[key], value) if key in before else value for key, value in now.items()}}
