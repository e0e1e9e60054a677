"""What a design costs and what it may cost, known before it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field

from attnspace.costs.latency import Latency
from attnspace.documents.sections import Section

__all__ = ["Costs", "Excess", "Limits"]

ROUNDING = 1e-9
"""1,100 is 10% more than 1,000, though 1100 / 1000 - 1 is more than 0.1."""

AtMost = Annotated[int | None, Field(ge=0, description="At most so many; null for no limit.")]
Share = Annotated[float | None, Field(ge=0, description="At most so much more than the plain backbone; 0.1 is 10%.")]


@dataclass(frozen=True)
class Costs:
    """Of the whole network.

    Attributes:
        params, flops, activation_bytes: see `attnspace.cost`; of one sample.
        latency_ms: median of a forward pass of one sample; None where it was not asked for.
        latency_low_ms, latency_high_ms: its quartiles.
    """

    params: int
    flops: int
    activation_bytes: int
    latency_ms: float | None = None
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None

    def timed(self, found: Latency) -> Costs:
        """The same, with a latency."""
        return Costs(self.params, self.flops, self.activation_bytes, found.median_ms, found.low_ms, found.high_ms)


@dataclass(frozen=True)
class Excess:
    """A limit that is not met.

    Attributes:
        name: of the limit.
        cost: what the design costs, in the limit's terms.
        limit: what it may cost.
    """

    name: str
    cost: float
    limit: float

    @property
    def ratio(self) -> float:
        """How many times too much."""
        return self.cost / (self.limit or ROUNDING)

    def __str__(self) -> str:
        return f"{self.name} {_figure(self.cost)}, at most {_figure(self.limit)}"


class Limits(Section):
    """Upper limits of what a design may cost: of the whole network, or over the plain backbone (`_overhead`).

    Units: FLOPs of a forward pass of one sample; bytes kept for the backward pass of one sample; milliseconds, the
    median of a forward pass of one sample on the device in use.
    """

    params: AtMost = None
    flops: AtMost = None
    activation_bytes: AtMost = None
    latency_ms: Annotated[float | None, Field(gt=0, description="At most so many milliseconds.")] = None
    params_overhead: Share = None
    flops_overhead: Share = None
    activation_bytes_overhead: Share = None
    latency_ms_overhead: Share = None

    @property
    def names(self) -> tuple[str, ...]:
        """The limits that are set."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def times(self) -> bool:
        """Whether latencies have to be measured."""
        return self.latency_ms is not None or self.latency_ms_overhead is not None

    def excesses(self, costs: Costs, plain: Costs) -> list[Excess]:
        """The limits that a design does not meet, the worst first. `plain` is the backbone without attention."""
        have, base = asdict(costs), asdict(plain)
        found = []
        for name in self.names:
            metric = name.removesuffix("_overhead")
            cost = have[metric] / base[metric] - 1 if metric != name else have[metric]
            if cost > getattr(self, name) * (1 + ROUNDING) + ROUNDING:
                found.append(Excess(name, cost, getattr(self, name)))
        return sorted(found, key=lambda excess: -excess.ratio)


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 1_000 else f"{number:.4g}"
