"""What the sources have in common in a study: how images are decoded, and how they are split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
    faulty: Annotated[
        Literal["error", "skip"], Field(description="Images that cannot be used stop the study, or are left out.")
    ] = "error"


def drawn_instead(options: SplitOptions, validates: str) -> str:
    """The note that a source has validation images of its own, so that none are drawn."""
    return f"{validates} validate; none are drawn, and validation: {options.validation} is not used"
