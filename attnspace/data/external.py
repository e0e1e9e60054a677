"""external: no images, for training code that has data of its own."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field

from attnspace.data.progress import Watch
from attnspace.data.section import Data
from attnspace.data.split import Dataset, DataSplit

__all__ = ["ExternalConfig", "load_external", "without_images"]

Side = Annotated[int, Field(ge=1, le=65_536)]


class ExternalConfig(Data):
    """What a network sees and tells apart, where a training loop of the user's own brings the images."""

    kind: Literal["external"]
    shape: Annotated[tuple[Side, Side, Side], Field(description="C, H and W of an image.")]
    classes: Annotated[int, Field(ge=1, le=1_000_000, description="How many outputs the network has.")]

    def load(self, watch: Watch | None = None) -> Dataset:
        return load_external(self)


def load_external(config: ExternalConfig) -> Dataset:
    """A dataset of empty splits, with the configured image shape and classes."""
    named = tuple(str(number) for number in range(config.classes))
    return without_images(config.shape, named, f"external/{'x'.join(map(str, config.shape))}/{config.classes}")


def without_images(shape: tuple[int, int, int], classes: tuple[str, ...], fingerprint: str) -> Dataset:
    """A dataset of empty splits.

    Args:
        shape: C, H and W of the images that there would be.
        classes: their names.
        fingerprint: see `Dataset`.
    """
    empty = DataSplit(torch.empty((0, *shape), dtype=torch.uint8), torch.empty(0, dtype=torch.int64))
    return Dataset(
        train=empty,
        validation=empty,
        classes=classes,
        mean=torch.zeros(shape[0]),
        std=torch.ones(shape[0]),
        fingerprint=fingerprint,
        _test=lambda: empty,
    )
