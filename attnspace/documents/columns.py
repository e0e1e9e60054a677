"""Columns: names that costs and metrics share with each other, with the ledger and tables, and with limits."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable

from attnspace.documents.sections import Section

__all__ = ["LEDGER", "OWN_METRICS", "RESERVED", "claim", "share"]

LEDGER = (
    *("number", "phase", "trial", "role", "name", "design", "protocol", "seed", "epochs", "label", "placement", "spec"),
    *("split", "choices", "outcome", "reason", "history", "train_s", "total_s", "finished", "environment", "worker"),
)
"""The columns that the ledger always has."""

OWN_METRICS = ("val_accuracy", "val_loss", "train_loss", "test_accuracy", "test_loss")
"""The metrics of attnspace's own, which a cost may be declared before; their names are kept for them."""

RESERVED = {
    **dict.fromkeys(LEDGER, "it is a column of the ledger"),
    **dict.fromkeys(("recipe", "versions"), "it is a column of ledgers of earlier versions"),
    **dict.fromkeys(("rank", "gain", "seeds", "size", "pareto", "shown", "outside"), "it is a column of reports"),
    **dict.fromkeys(("estimate", "estimate_low", "estimate_high"), "it is a column of reports"),
    **dict.fromkeys(("epoch", "lr"), "it is a word of the history of every training"),
    **dict.fromkeys(("names", "limited", "unset", "excesses"), "it is a word of the limits of a study"),
}
"""Name -> why nothing can be called so."""

_ENDINGS = ("_added", "_overhead")
"""Endings of the names that follow from those of costs."""

_SHARED: dict[str, Callable[[], Iterable[str]]] = {}


def share(what: str, names: Callable[[], Iterable[str]]) -> None:
    """Have `claim` refuse the names that `names` gives, those of everything of this sort that is declared by then."""
    _SHARED[what] = names


def claim(what: str, *names: str) -> None:
    """Check that something new, a cost or a metric, may have these columns.

    Args:
        what: what it is, in a word.
        names: its name, and those of the columns that it brings along.

    Raises:
        ValueError: a name is none, or is taken; capital and small letters are the same to a ledger.
    """
    often = Counter(name.lower() for name in names)
    for name in names:
        why = _fault(what, name) or ("two of its columns are called so" if often[name.lower()] > 1 else None)
        if why:
            raise ValueError(
                f"no column of a {what} can be called so: {why}; got {name!r}; allowed: small letters, digits and "
                "underscores, such as 'state_bytes', that nothing else is called; give it another name"
            )


def _fault(what: str, name: str) -> str | None:
    """Why a column cannot be called so; None if it can."""
    small = name.lower()
    for other, names in _SHARED.items():
        if small in (taken.lower() for taken in names()):
            return f"it is a column of a {other} that is there already"
    if small in OWN_METRICS and what != "metric":
        return "it is a column of a metric that is there already"
    if small in RESERVED:
        return RESERVED[small]
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        return "it is no identifier in small letters"
    if ending := next((ending for ending in _ENDINGS if name.endswith(ending)), None):
        return f"the ending {ending} is that of columns and limits that follow from a cost"
    return "it is a word of every section of a study" if hasattr(Section, name) else None
