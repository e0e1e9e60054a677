"""Data sets of the Hugging Face hub, and what to do where data are missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from attnspace.errors import DataError

__all__ = ["HUB", "HubPath", "absent"]

HUB = "hf://"
TIMEOUT_S = 5

_PATH = re.compile(
    r"hf://datasets/(?P<repository>[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>refs/(?:convert|pr)/[^/@]+|[^/@]+))?(?:/(?P<subfolder>[^@]+?))?/?"
)


@dataclass(frozen=True)
class HubPath:
    """The parts of a path `hf://datasets/OWNER/NAME[@REVISION][/SUBFOLDER]`."""

    repository: str
    revision: str | None
    subfolder: str

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """Split a path into its parts; None if it is not well-formed."""
        found = _PATH.fullmatch(path)
        return cls(found["repository"], found["revision"], found["subfolder"] or "") if found else None

    def download(self, patterns: Sequence[str]) -> Path:
        """Download the files that fit a pattern, in the subfolder or below, and return their folder.

        Where the hub cannot be reached, the files that were downloaded before are used.

        Raises:
            DataError: huggingface_hub is not installed, or the hub has no such files, or cannot be reached.
        """
        try:
            import huggingface_hub
        except ImportError:
            raise DataError("cannot be downloaded: huggingface_hub is not installed") from None
        start = f"{self.subfolder}/" if self.subfolder else ""
        allowed = [f"{start}{below}{pattern}" for pattern in patterns for below in ("", "*/")]
        try:
            commit = huggingface_hub.HfApi().dataset_info(self.repository, revision=self.revision, timeout=TIMEOUT_S)
            folder = _snapshot(huggingface_hub, self, commit.sha, allowed, local_files_only=False)
        except Exception as cause:  # the library's errors have no common base
            folder = self._kept(huggingface_hub, allowed, cause)
        return folder / self.subfolder

    def _kept(self, library: Any, allowed: list[str], cause: Exception) -> Path:
        """The folder of what was downloaded before.

        Raises:
            DataError: nothing was downloaded, or not all of it.
        """
        try:
            return _snapshot(library, self, self.revision, allowed, local_files_only=True)
        except Exception:
            first = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
            raise DataError(f"cannot be downloaded: {first}") from cause


def absent(what: str, path: str, holds: str, *, hub: bool) -> DataError:
    """The error for data that are not there; it says how to get them."""
    written = "" if path.startswith(HUB) else " and write path: hf://datasets/OWNER/NAME"
    with_internet = (
        f"with internet: pip install -c constraints.txt 'attnspace[hub]'{written}; without it: " if hub else ""
    )
    return DataError(
        f"{what}: {path}",
        at=("path",),
        remedy=f"{with_internet}name a local copy with --data FOLDER or ATTNSPACE_DATA=FOLDER, which holds {holds}",
    )


def _snapshot(library: Any, path: HubPath, revision: str | None, allowed: list[str], *, local_files_only: bool) -> Path:
    return Path(
        library.snapshot_download(
            path.repository,
            repo_type="dataset",
            revision=revision,
            allow_patterns=allowed,
            etag_timeout=TIMEOUT_S,
            local_files_only=local_files_only,
        )
    )
