"""What a network said of each test image, kept beside its row of the record."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Answers", "packed", "packed_right", "unpacked", "unpacked_right"]


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


def packed_right(right: Mapping[tuple[str, int], np.ndarray]) -> str:
    """Which answers were right, by design and seed, as JSON text: for each the number of images and compressed bits."""
    found = [
        (design, seed, len(answers), base64.b64encode(packed(np.packbits(answers))).decode())
        for (design, seed), answers in right.items()
    ]
    return json.dumps(found)


def unpacked_right(text: str) -> dict[tuple[str, int], np.ndarray]:
    """What `packed_right` made this text of.

    Raises:
        TypeError, ValueError, zlib.error: it is no such text.
    """
    return {
        (design, seed): np.unpackbits(unpacked(base64.b64decode(bits)), count=images).astype(bool)
        for design, seed, images, bits in json.loads(text)
    }
