"""latency_ms: the median time of a forward pass of one sample on the device in use, in milliseconds."""

from __future__ import annotations

from attnspace.costs.declaration import DesignCost, Figure, declare

__all__ = ["LATENCY_MS"]

LATENCY_MS = declare(
    DesignCost(
        name="latency_ms",
        title="milliseconds of a forward pass",
        measure=lambda subject: subject.latency.median_ms,
        figure=Figure("latency_ms", digits=3),
        compact=Figure("ms", digits=3),
        whole=False,
        unit="milliseconds",
        timed=True,
        further={
            "latency_low_ms": lambda subject: subject.latency.low_ms,
            "latency_high_ms": lambda subject: subject.latency.high_ms,
        },
    )
)
