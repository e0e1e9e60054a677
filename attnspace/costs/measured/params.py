"""params: trainable parameters."""

from __future__ import annotations

from attnspace.costs.declaration import DesignCost, Figure, declare

__all__ = ["PARAMS"]

PARAMS = declare(
    DesignCost(
        name="params",
        title="parameters",
        measure=lambda subject: subject.cost.params,
        figure=Figure("parameters"),
        compact=Figure("parameters"),
        listed=True,
    )
)
