"""How a map lies in a tensor: which of its axes are the channels."""

from __future__ import annotations

from attnspace.costs.inputs import Inputs
from attnspace.placement.observation import Place, Shape
from attnspace.placement.sites import Layout

__all__ = ["layout_of", "shown_by_size"]

SPATIAL: dict[Layout, tuple[int, int]] = {"nchw": (2, 3), "nhwc": (1, 2)}
"""The axes of height and width."""


def layout_of(place: Place, inputs: Inputs) -> Layout | None:
    """The layout of the map at a place; None where it cannot be told.

    The axis of a map that does not change with the size of the image is that of its channels. Where the network takes
    images of one size alone, the two axes are looked for that are to each other as the image's height to its width.
    """
    assert place.shape
    if place.seen_larger is not None and (larger := place.seen_larger.shapes[0]) is not None:
        shown = shown_by_size(place.shape, larger)
        if shown is not None:
            return shown
        if place.shape != larger:
            return None
    height, width = inputs.resolution
    tolerance = 0 if height == width else max(height, width) - 1  # one pixel, where strides do not divide the image
    fitting = [
        layout
        for layout, (first, second) in SPATIAL.items()
        if abs(place.shape[first] * width - place.shape[second] * height) <= tolerance
    ]
    if len(fitting) == 2 and place.shape[2:] == (1, 1):  # what is pooled over the whole image
        return "nchw"
    return fitting[0] if len(fitting) == 1 else None


def shown_by_size(shape: Shape, larger: Shape) -> Layout | None:
    """The layout in which exactly height and width change between two sizes of the image; None if there is none."""
    changed = {axis for axis in range(1, len(shape)) if shape[axis] != larger[axis]}
    return next((layout for layout, axes in SPATIAL.items() if changed == set(axes)), None)
