"""What a network said of each test image, kept beside its row of the record."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

import numpy as np

__all__ = ["Answers", "packed", "unpacked"]


@dataclass(frozen=True)
class Answers:
    """The answers of one network to the test images.

    Shape:
        predicted, labels: (images,) numbers of classes, in the order of the test images
    """

    predicted: np.ndarray
    labels: np.ndarray


def packed(classes: np.ndarray) -> bytes:
    """Numbers of classes as compressed bytes of an .npy file."""
    small = classes.astype(np.min_scalar_type(int(classes.max(initial=0))))
    content = io.BytesIO()
    np.save(content, small, allow_pickle=False)
    return zlib.compress(content.getvalue(), 9)


def unpacked(content: bytes) -> np.ndarray:
    """The numbers of classes that `packed` made these bytes of.

    Raises:
        ValueError, zlib.error: they are no such bytes.
    """
    return np.asarray(np.load(io.BytesIO(zlib.decompress(content)), allow_pickle=False))
