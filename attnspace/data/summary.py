"""What a dataset holds, in a few lines: classes and images of each split, and notes."""

from __future__ import annotations

from typing import Any

from attnspace.data.split import Dataset

__all__ = ["facts", "summary"]

SHOWN = 10
"""How many classes are listed in lines; a report lists all of them."""


def summary(data: Dataset) -> tuple[str, ...]:
    """How many images and classes there are, and how many images each class has in each split, in lines."""
    counts = data.counts
    if not len(data.train):
        return ()
    images = ", ".join(f"{sum(found):,} {name}" for name, found in counts.items())
    channels, height, width = data.input_shape
    every = [f"{name} {'/'.join(map(str, row))}" for name, *row in zip(data.classes, *counts.values(), strict=True)]
    more = f" and {len(every) - SHOWN:,} more" if len(every) > SHOWN else ""
    return (
        f"images: {images}; {channels} x {height} x {width}",
        f"{len(every):,} classes ({'/'.join(counts)}): {', '.join(every[:SHOWN])}{more}",
    )


def facts(data: Dataset) -> dict[str, Any]:
    """The same as plain data, with every class and the notes."""
    return {
        "classes": list(data.classes),
        "shape": list(data.input_shape),
        "fingerprint": data.fingerprint,
        "counts": data.counts,
        "notes": list(data.notes),
    }
