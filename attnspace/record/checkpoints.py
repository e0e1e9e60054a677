"""Trainings that wait on a rung, on disk. Without them a promotion trains from the start, to the same result."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
from collections.abc import Container
from pathlib import Path
from typing import Any

import torch

from attnspace.documents.writing import sweep, write_bytes
from attnspace.errors import RunFailed

__all__ = ["Checkpoints"]

HEADER = b"attnspace checkpoint 1\n"
"""What a file begins with; the SHA-256 digest of all that follows it comes next."""


class Checkpoints:
    """One file for each training that waits.

    A file says what its content must be like, since torch reads most damaged ones without a word.

    Args:
        folder: where; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def save(self, design: str, seed: int, epochs: int, state: dict[str, Any]) -> None:
        """Keep the state of a training after so many epochs.

        Raises:
            RunFailed: it cannot be written.
        """
        if self.folder is None:
            return
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as cause:
            raise RunFailed(f"cannot be made: {cause.strerror}", file=str(self.folder)) from None
        sweep(self.folder)
        content = io.BytesIO()
        torch.save(state, content)
        state_bytes = content.getvalue()
        write_bytes(self._path(design, seed, epochs), HEADER + _digest(state_bytes) + state_bytes)

    def load(self, design: str, seed: int, epochs: int) -> dict[str, Any] | None:
        """The state of a training after so many epochs; None if there is none, or none that is as it was written."""
        if self.folder is None:
            return None
        try:
            kept = self._path(design, seed, epochs).read_bytes()
        except OSError:  # gone: the training begins again, which costs time alone
            return None
        begins = len(HEADER) + hashlib.sha256().digest_size
        body = memoryview(kept)[begins:]
        if kept[:begins] != HEADER + _digest(body):
            return None
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
        except Exception:  # whole, and of a torch that wrote it in another way: as if there were none
            return None
        return state

    def drop(self, design: str, seed: int, epochs: int) -> None:
        """Forget a state that is no longer needed."""
        if self.folder is not None:
            _forget(self._path(design, seed, epochs))

    def keep(self, wanted: Container[str]) -> None:
        """Forget all states but those whose names, as `name` gives them, are wanted."""
        if self.folder is not None and self.folder.is_dir():
            for path in self.folder.glob("*.pt"):
                if path.stem not in wanted:
                    _forget(path)

    def clear(self) -> None:
        """Forget all of them, and what was cut off while it was written."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def count(self) -> int:
        """How many states wait."""
        return sum(1 for _ in self.folder.glob("*.pt")) if self.folder else 0

    @staticmethod
    def name(design: str, seed: int, epochs: int) -> str:
        """The name of the file that holds a state, without its suffix."""
        return f"{design}-seed{seed}-epoch{epochs}"

    def _path(self, design: str, seed: int, epochs: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{self.name(design, seed, epochs)}.pt"


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).digest()


def _forget(path: Path) -> None:
    """Remove a file; one that cannot be removed takes up room, and nothing else."""
    with contextlib.suppress(OSError):
        path.unlink()
