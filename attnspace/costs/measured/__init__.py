"""The costs of a network, one file each: importing this package declares every file in it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from attnspace.costs.declaration import DECLARED, DesignCost

if TYPE_CHECKING:
    from attnspace.costs.subject import Subject

__all__ = ["BUILT_IN", "cost_columns", "cost_names", "declared", "measure"]

_FIRST = ("params", "flops", "activation_bytes", "latency_ms")
"""The costs that tables show first, in this order; those of other files come after them."""

BUILT_IN = tuple(dict.fromkeys((*_FIRST, *sorted(found.name for found in iter_modules(__path__)))))
"""The costs that come with attnspace; each file is named like its cost."""

for _name in BUILT_IN:
    import_module(f"{__name__}.{_name}")


def declared() -> dict[str, DesignCost]:
    """Every known cost, by name."""
    return dict(DECLARED)


def cost_names() -> list[str]:
    """The names of all costs."""
    return list(DECLARED)


def cost_columns() -> dict[str, DesignCost]:
    """The cost that each column of the ledger belongs to, by column."""
    return {column: cost for cost in DECLARED.values() for column in cost.columns}


def measure(subject: Subject, *, timed: bool) -> dict[str, float | None]:
    """Measure all costs of a network; their values by column.

    Args:
        subject: the network.
        timed: whether times are measured; otherwise they are None.
    """
    return {
        column: how(subject) if timed or not cost.timed else None
        for cost in DECLARED.values()
        for column, how in cost.columns.items()
    }
