"""What a cost is: its name, how it is measured, how it is printed. Everything that shows or limits costs follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attnspace.documents.columns import claim, share
from attnspace.documents.sections import sections_changed

if TYPE_CHECKING:  # importing it would import torch, which tables do not need
    from attnspace.costs.subject import Subject

__all__ = ["DECLARED", "DesignCost", "DesignCosts", "Figure", "declare", "forget"]

DesignCosts = Mapping[str, float | None]
"""Column of a cost -> its value for a whole network; None where it was not asked for."""


@dataclass(frozen=True)
class Figure:
    """How a number is printed in a column.

    Attributes:
        heading: the heading of the column.
        digits: how many digits follow the decimal point.
        scale: what the number is divided by first.
    """

    heading: str
    digits: int = 0
    scale: float = 1.0

    def show(self, value: float) -> str:
        """The number as text, with thousands set apart."""
        return f"{value / self.scale:,.{self.digits}f}"


@dataclass(frozen=True)
class DesignCost:
    """Something that a network needs and that is known before it is trained. Less is better.

    Attributes:
        name: what a study, the ledger and tables call it; it carries the unit, as `latency_ms` does.
        title: its name in words, for the axes of plots.
        measure: gives its value for one network.
        figure: how tables print it.
        compact: how the report's leaderboard prints it, which has little room.
        whole: whether its value is a whole number.
        unit: what it is counted in, where the name does not say all.
        timed: whether it is a time, which wants an idle machine, is measured only where a study asks for it, and comes
            out differently when it is measured again.
        listed: whether the report's leaderboard shows it even if the study does not name it.
        further: columns beside its own, such as quartiles, and how each of them is measured.
    """

    name: str
    title: str
    measure: Callable[[Subject], float]
    figure: Figure
    compact: Figure
    whole: bool = True
    unit: str = ""
    timed: bool = False
    listed: bool = False
    further: Mapping[str, Callable[[Subject], float]] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Callable[[Subject], float]]:
        """Every column of the cost -> how it is measured; its own comes first."""
        return {self.name: self.measure, **self.further}


DECLARED: dict[str, DesignCost] = {}
"""Every declared cost, by name. Read it through `attnspace.costs.measured`, which fills it."""

share("cost", lambda: (column for cost in DECLARED.values() for column in cost.columns))


def declare(cost: DesignCost) -> DesignCost:
    """Make a cost known: a study may then minimise and limit it, and tables and reports show it.

    Raises:
        ValueError: its name, or that of a further column, is none or is taken.
    """
    claim("cost", cost.name, *cost.further)
    DECLARED[cost.name] = cost
    sections_changed()
    return cost


def forget(name: str) -> None:
    """Undo `declare`, for tests."""
    del DECLARED[name]
    sections_changed()
