"""What one epoch of a training came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Epoch"]


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch of a training.

    Units: losses are cross-entropy in nats (the training loss with label smoothing), accuracies from 0 to 1.

    Attributes:
        epoch: its number, from 1.
        metrics: name -> value; None where a training loop of the user's does not say.
    """

    epoch: int
    metrics: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Write the epoch as JSON data: its number and its metrics, side by side."""
        return {"epoch": self.epoch, **self.metrics}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(data["epoch"], {name: value for name, value in data.items() if name != "epoch"})
