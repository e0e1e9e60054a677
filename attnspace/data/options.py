"""What the sources have in common in a study: how images are decoded, and how they are split."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from attnspace.data.pixels.decoding import Wanted
from attnspace.documents.families import fault
from attnspace.documents.sections import Section

__all__ = ["Amount", "DecodingOptions", "SplitOptions", "drawn_instead"]

Amount = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]
"""A number of images, or a share of them."""


class SplitOptions(Section):
    """Which images train, validate and test, where the source does not say.

    Images are drawn class by class in equal shares; the same seed draws the same everywhere. Validation and test
    images do not depend on `train_images`.
    """

    validation: Annotated[
        Amount, Field(description="Training images that validate instead: how many, or a share below 1.")
    ] = 0.1
    test_images: Annotated[
        Amount, Field(description="Where the source has no test split: how many of its images test, or a share.")
    ] = 0.1
    split_seed: Annotated[int, Field(ge=0, lt=2**31, description="Draws the splits.")] = 0
    train_images: Annotated[int | None, Field(ge=2, description="How many of the rest train; null for all.")] = None


class DecodingOptions(SplitOptions):
    """How encoded images become numbers."""

    size: Annotated[
        int | None,
        Field(
            ge=1, le=4096, description="H and W: the shorter side is resized, the centre cut out; null: as they are."
        ),
    ] = None
    channels: Annotated[Literal[1, 3], Field(description="3 for colour, 1 for grey.")] = 3
    depth: Annotated[
        int | None,
        Field(ge=9, le=32, description="Of images with more than 8 bits: how many there are; 12 is range [0, 4095]."),
    ] = None
    range: Annotated[
        tuple[float, float] | None,
        Field(description="Of images with more than 8 bits: which values are black and white; null: as they are."),
    ] = None
    background: Annotated[
        int, Field(ge=0, le=255, description="The grey on which transparent images are laid: 0 black, 255 white.")
    ] = 255
    faulty: Annotated[
        Literal["error", "skip"], Field(description="Images that cannot be used stop the study, or are left out.")
    ] = "error"

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.range and self.depth:
            raise fault("says what depth says, too", at=("range",), remedy="leave one of them out")
        if self.range and not self.range[0] < self.range[1]:
            raise fault("is empty", at=("range",), allowed="[LOW, HIGH], the lower value first")
        return self

    @property
    def wanted(self) -> Wanted:
        """How images become numbers."""
        span = (0.0, float(2**self.depth - 1)) if self.depth else self.range
        return Wanted(self.size, self.channels, self.background, span)


def drawn_instead(options: SplitOptions, validates: str) -> str:
    """The note that a source has validation images of its own, so that none are drawn."""
    return f"{validates} validate; none are drawn, and validation: {options.validation} is not used"
