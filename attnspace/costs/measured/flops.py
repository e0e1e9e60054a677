"""flops: floating-point operations of a forward pass of one sample, see `attnspace.cost`."""

from __future__ import annotations

from attnspace.costs.declaration import DesignCost, Figure, declare

__all__ = ["FLOPS"]

FLOPS = declare(
    DesignCost(
        name="flops",
        title="FLOPs",
        measure=lambda subject: subject.cost.flops,
        figure=Figure("flops"),
        compact=Figure("MFLOPs", digits=2, scale=1e6),
        listed=True,
    )
)
