"""The costs of a network, one file each: importing this package declares every file in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from numbers import Integral, Real
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from attnspace.costs.declaration import DECLARED, DesignCost
from attnspace.errors import AttnspaceError, StudyError

if TYPE_CHECKING:
    from attnspace.costs.subject import Subject

__all__ = ["BUILT_IN", "cost_columns", "declared", "measure"]

_FIRST = ("params", "flops", "activation_bytes", "latency_ms")
"""The costs that tables show first, in this order; those of other files come after them."""

for _name in dict.fromkeys((*_FIRST, *sorted(found.name for found in iter_modules(__path__)))):
    import_module(f"{__name__}.{_name}")

BUILT_IN = tuple(DECLARED)
"""The costs that come with attnspace. Nothing else can be declared before: to import `declare` imports this."""


def declared() -> dict[str, DesignCost]:
    """Every known cost, by name."""
    return dict(DECLARED)


def cost_columns() -> dict[str, DesignCost]:
    """The cost that each column of the ledger belongs to, by column."""
    return {column: cost for cost in DECLARED.values() for column in cost.columns}


def measure(subject: Subject, *, timed: bool) -> dict[str, float | None]:
    """Measure all costs of a network; their values by column.

    Args:
        subject: the network.
        timed: whether times are measured; otherwise they are None.

    Raises:
        StudyError: a cost of the user's raises, or gives what is no finite number.
    """
    return {
        column: _measured(column, how, subject) if timed or not cost.timed else None
        for cost in DECLARED.values()
        for column, how in cost.columns.items()
    }


def _measured(column: str, how: Callable[[Subject], float], subject: Subject) -> float:
    try:
        value = how(subject)
    except AttnspaceError:
        raise
    except Exception as cause:
        if column in BUILT_IN:
            raise  # it is the network that cannot be run
        raise StudyError(
            f"the cost {column} cannot be measured: {type(cause).__name__}: {cause}",
            remedy="mend the function that measures it",
        ) from cause
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise StudyError(
            f"the cost {column} is not a number",
            got=value,
            allowed="a finite number",
            remedy="mend the function that measures it",
        )
    return int(value) if isinstance(value, Integral) else float(value)
