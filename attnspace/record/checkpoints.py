"""Trainings that wait on a rung, on disk. Without them a promotion trains from the start, to the same result."""

from __future__ import annotations

import io
import pickle
from collections.abc import Container
from pathlib import Path
from typing import Any

import torch

from attnspace.documents.writing import write_bytes
from attnspace.errors import RunFailed

__all__ = ["Checkpoints"]


class Checkpoints:
    """One file for each training that waits.

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
        content = io.BytesIO()
        torch.save(state, content)
        write_bytes(self._path(design, seed, epochs), content.getvalue())

    def load(self, design: str, seed: int, epochs: int) -> dict[str, Any] | None:
        """The state of a training after so many epochs; None if there is none, or none that can be read."""
        if self.folder is None:
            return None
        try:
            state: dict[str, Any] = torch.load(self._path(design, seed, epochs), weights_only=True, map_location="cpu")
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError):
            return None  # cut off or gone: the training begins again, which costs time alone
        return state

    def drop(self, design: str, seed: int, epochs: int) -> None:
        """Forget a state that is no longer needed."""
        if self.folder is not None:
            self._path(design, seed, epochs).unlink(missing_ok=True)

    def keep(self, wanted: Container[str]) -> None:
        """Forget all states but those whose names, as `name` gives them, are wanted."""
        if self.folder is not None and self.folder.is_dir():
            for path in self.folder.glob("*.pt"):
                if path.stem not in wanted:
                    path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget all of them, and what was cut off while it was written."""
        if self.folder is not None and self.folder.is_dir():
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()

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
