"""Limits of what a design may cost, checked before it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field
from pydantic.fields import FieldInfo

from attnspace.costs.declaration import DesignCosts
from attnspace.costs.measured import BUILT_IN, declared
from attnspace.documents.sections import Section

__all__ = ["Excess", "Limits"]

ROUNDING = 1e-9
"""Tolerance for rounding: 1,100 is 10% more than 1,000, though 1100 / 1000 - 1 comes out above 0.1."""


@dataclass(frozen=True)
class Excess:
    """A limit that is not met.

    Attributes:
        name: the name of the limit.
        cost: what the design costs, in the limit's terms.
        limit: what it may cost at most.
    """

    name: str
    cost: float
    limit: float

    @property
    def ratio(self) -> float:
        """How many times the limit the design costs."""
        return self.cost / (self.limit or ROUNDING)

    def __str__(self) -> str:
        return f"{self.name} {_figure(self.cost)}, at most {_figure(self.limit)}"


OVERHEAD = "_overhead"


class Limits(Section):
    """Upper limits of what a design may cost: of the whole network, or over the plain backbone (`_overhead`).

    Units: FLOPs of a forward pass of one sample; bytes kept for the backward pass of one sample; milliseconds, the
    median of a forward pass of one sample on the device in use.
    """

    # Two fields for each declared cost are added by `_open_fields`.

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the limits that are set."""
        return tuple(name for name in type(self).model_fields if getattr(self, name, None) is not None)

    @property
    def limited(self) -> frozenset[str]:
        """The costs that have a limit."""
        return frozenset(name.removesuffix(OVERHEAD) for name in self.names)

    def unset(self) -> frozenset[str]:
        """Limits that are not set, of costs that do not come with attnspace: a study does not depend on those."""
        open_ = set(type(self).model_fields) - set(self.names)
        return frozenset(name for name in open_ if name.removesuffix(OVERHEAD) not in BUILT_IN)

    def excesses(self, costs: DesignCosts, plain: DesignCosts) -> list[Excess]:
        """The limits that a design does not meet, the worst first. `plain` is the backbone without attention."""
        found = []
        for name in self.names:
            metric, limit = name.removesuffix(OVERHEAD), float(getattr(self, name))
            have, base = costs[metric], plain[metric]
            assert have is not None
            assert base is not None
            cost = have / base - 1 if metric != name else have
            if cost > limit * (1 + ROUNDING) + ROUNDING:
                found.append(Excess(name, cost, getattr(self, name)))
        return sorted(found, key=lambda excess: -excess.ratio)


def _fields() -> dict[str, FieldInfo]:
    """The fields of `Limits`: for each declared cost, a limit of the whole network and one over the plain backbone."""
    absolute, overheads = {}, {}
    for cost in declared().values():
        absolute[cost.name] = _optional(
            int if cost.whole else float,
            Field(ge=0, description="At most so many; null for no limit.")
            if cost.whole
            else Field(gt=0, description=f"At most so many {cost.unit}."),
        )
        more = Field(ge=0, description="At most so much more than the plain backbone; 0.1 is 10%.")
        overheads[cost.name + OVERHEAD] = _optional(float, more)
    return absolute | overheads


def _optional(kind: Any, about: Any) -> FieldInfo:
    """A field of this kind that may be left out."""
    annotation: Any = Annotated[kind | None, about]
    return FieldInfo.from_annotated_attribute(annotation, None)


def _open_fields() -> None:
    """Give `Limits` its fields, for the costs that are declared by now."""
    Limits.__pydantic_fields__.clear()
    Limits.__pydantic_fields__.update(_fields())


Limits.registry.before_building.append(_open_fields)
_open_fields()


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 1_000 else f"{number:.4g}"
