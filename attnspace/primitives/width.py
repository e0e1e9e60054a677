"""How many channels a layer leaves: all of them, a count, or a rule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from attnspace.documents.families import fault
from attnspace.errors import SpecError
from attnspace.primitives.reduction import MAX_WIDTH, Reduction

__all__ = ["Filters", "Width", "check_groups", "width_at", "width_label"]


def _absolute(value: Any) -> Any:
    """Read a bare number as a count of channels; elsewhere, under `reduction`, it is a ratio."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"width": value}
    if not isinstance(value, str | dict | Reduction):
        raise fault('should be "C", a whole number or a reduction rule', allowed='"C", 1, {"ratio": 16}')
    return value


def _count(value: Any) -> Any:
    if isinstance(value, str):
        raise fault("should be a whole number or a reduction rule", allowed='1, {"ratio": 16}')
    return _absolute(value)


def _written(out: str | Reduction) -> Any:
    if isinstance(out, str):
        return out
    if out.width is not None:
        return out.width
    dumped = out.model_dump()
    return dumped if isinstance(dumped, dict) else {"ratio": dumped}


Count = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Width = Annotated[
    Literal["C"] | Reduction,
    BeforeValidator(_absolute, json_schema_input_type=Literal["C"] | Count | Reduction),
    PlainSerializer(_written),
]
Filters = Annotated[
    Reduction, BeforeValidator(_count, json_schema_input_type=Count | Reduction), PlainSerializer(_written)
]


def check_groups(groups: int, channels: int) -> None:
    """Check that the groups divide the channels.

    Raises:
        SpecError: the channels do not divide evenly.
    """
    if channels % groups:
        raise SpecError(
            f"{groups} groups do not divide {channels} channels",
            at=("groups",),
            remedy=f"use a divisor of {channels}",
        )


def width_at(out: str | Reduction, channels: int) -> int:
    """The number of channels that a layer leaves, where the map has C.

    Raises:
        SpecError: the rule leaves no channel.
    """
    return channels if isinstance(out, str) else out.at(channels)


def width_label(out: str | Reduction) -> str:
    """The width in short: `C`, `8` or `C/16`."""
    if isinstance(out, str):
        return out
    return str(out.width) if out.width is not None else f"C{out.label()}"
