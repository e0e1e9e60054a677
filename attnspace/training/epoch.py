"""What one epoch of a training came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Epoch"]


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; None where a training loop of the user's does not say.

    Units: losses are cross-entropy in nats (the training loss with label smoothing), accuracies from 0 to 1.
    """

    epoch: int
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    lr: float | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)
