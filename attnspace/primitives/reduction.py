"""The reduction rule: how wide the bottleneck is, at C channels."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from attnspace.documents.families import fault
from attnspace.documents.models import Strict
from attnspace.errors import SpecError

__all__ = ["MAX_WIDTH", "Reduction"]

MAX_WIDTH = 65_536
EXAMPLES = '16, {"ratio": 16, "minimum": 8} or {"width": 8}'


class Reduction(Strict):
    """Hidden width at C channels; a bare number n stands for `C // n`.

    With v = C / ratio and d = divisor:
    `floor`      max(minimum, floor(v / d) * d)
    `round`      max(minimum, floor(v / d + 1/2) * d)             timm make_divisible, round_limit 0
    `divisible`  as `round`, and one d more when that is below 0.9 v   torchvision _make_divisible
    `width`      that many, whatever C is

    Source: CATALOGUE of the published blocks: SE eq. 3 uses floor, official CA max(8, C // 32).
    """

    ratio: Annotated[float | None, Field(ge=0.01, le=4096, description="C is divided by it.")] = None
    divisor: Annotated[int, Field(ge=1, le=1024, description="The width is a multiple of it.")] = 1
    minimum: Annotated[int, Field(ge=0, le=MAX_WIDTH, description="The smallest width.")] = 0
    rounding: Annotated[
        Literal["floor", "round", "divisible"],
        Field(description="Down; to the nearest; to the nearest, but never more than a tenth below."),
    ] = "floor"
    width: Annotated[int | None, Field(ge=1, le=MAX_WIDTH, description="Instead of a ratio: that many.")] = None

    @model_validator(mode="before")
    @classmethod
    def _bare_ratio(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float | dict | Reduction):
            raise fault("should be a number or a mapping", allowed=EXAMPLES)
        return {"ratio": value} if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.ratio is None) == (self.width is None):
            raise fault(
                "a reduction is either a ratio or an absolute width",
                allowed=EXAMPLES,
            )
        if self.width is not None and self.model_fields_set - {"width"}:
            raise fault("an absolute width takes no other field", allowed='{"width": 8}')
        return self

    @model_serializer(mode="wrap")
    def _shortest(self, handler: SerializerFunctionWrapHandler) -> Any:
        fields = type(self).model_fields
        written = {k: v for k, v in handler(self).items() if v != fields[k].default}
        if "ratio" in written and float(written["ratio"]).is_integer():
            written["ratio"] = int(written["ratio"])
        return written["ratio"] if set(written) == {"ratio"} else written

    def at(self, channels: int) -> int:
        """The hidden width at C channels.

        Raises:
            SpecError: no hidden unit is left, or the width is beyond MAX_WIDTH.
        """
        if self.width is not None:
            return self.width
        assert self.ratio is not None
        wanted = channels / self.ratio
        steps = wanted / self.divisor
        width = math.floor(steps if self.rounding == "floor" else steps + 0.5) * self.divisor
        if self.rounding == "divisible" and width < 0.9 * wanted:
            width += self.divisor
        width = max(self.minimum, width)
        if width < 1:
            raise SpecError(
                f"reduction {self.ratio:g} leaves no hidden unit for {channels} channels",
                remedy=f"use at most {channels}, or give the rule a minimum width",
            )
        if width > MAX_WIDTH:
            raise SpecError(f"reduction {self.ratio:g} asks for {width} hidden units", allowed=f"up to {MAX_WIDTH}")
        return width

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        written_out = handler(schema)
        bare = {"type": "number", "minimum": 0.01, "maximum": 4096, "description": "n stands for C // n"}
        written_out["oneOf"] = [{"required": ["ratio"]}, {"required": ["width"], "maxProperties": 1}]
        return {"anyOf": [bare, written_out], "description": "How wide the bottleneck is at C channels."}

    @property
    def absolute(self) -> int:
        """The width of a resolved rule."""
        assert self.width is not None
        return self.width

    def label(self) -> str:
        """The rule in short: `/16`, `/32>=8` (a minimum), `/16~_8` (rounded to a multiple of 8), `=8` (a width)."""
        if self.ratio is None:
            return f"={self.width}"
        rounded = {"floor": "", "round": "~", "divisible": "~~"}[self.rounding]
        multiple = f"_{self.divisor}" if self.divisor > 1 else ""
        minimum = f">={self.minimum}" if self.minimum > 1 else ""
        size = f"/{self.ratio:g}" if self.ratio >= 1 else f"*{1 / self.ratio:g}"
        return f"{size}{rounded}{multiple}{minimum}"

    @classmethod
    def of(cls, width: int) -> Reduction:
        """The rule that gives `width` whatever C is."""
        return cls.model_construct(_fields_set={"width"}, width=width)
