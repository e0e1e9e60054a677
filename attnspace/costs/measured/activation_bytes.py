"""activation_bytes: what a training pass of one sample keeps for the backward pass, see `attnspace.cost`."""

from __future__ import annotations

from attnspace.costs.declaration import DesignCost, Figure, declare

__all__ = ["ACTIVATION_BYTES"]

ACTIVATION_BYTES = declare(
    DesignCost(
        name="activation_bytes",
        title="bytes kept for backward",
        measure=lambda subject: subject.cost.activation_bytes,
        figure=Figure("activation_bytes"),
        compact=Figure("kB for backward", digits=1, scale=1e3),
    )
)
