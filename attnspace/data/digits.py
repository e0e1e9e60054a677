"""digits: 1,797 handwritten digits of 8x8 pixels, which scikit-learn carries.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998
(its test set, as scikit-learn ships it).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from attnspace.data.drawing import split_seed
from attnspace.data.progress import Watch
from attnspace.data.section import Data
from attnspace.data.split import Dataset, DataSplit

__all__ = ["DigitsConfig", "load_digits"]

VALIDATION, TEST = 500, 500
SPLIT_SEED = 20_090
SIDE = 8


class DigitsConfig(Data):
    """Handwritten digits. 500 images validate and 500 test, the same in each search; `train_images` of the other 797
    train, or all. A larger `canvas` makes them harder: each digit stands somewhere on it.
    """

    kind: Literal["digits"] = "digits"
    train_images: Annotated[int | None, Field(ge=50, le=780, description="How many train; null for all.")] = None
    canvas: Annotated[
        int, Field(ge=SIDE, le=64, description="H and W in pixels; each digit of 8 x 8 stands at a random place.")
    ] = SIDE

    def load(self, watch: Watch | None = None) -> Dataset:
        return load_digits(self)


def load_digits(config: DigitsConfig, redraw: int | None = None) -> Dataset:
    """Load the digits, split in equal shares of every class; `redraw` draws training and validation images anew."""
    from sklearn import datasets, model_selection  # slow to import, and only this source needs it

    digits = datasets.load_digits()
    images = _placed(np.ascontiguousarray(digits.images, dtype=np.uint8)[:, None], config.canvas)
    labels = np.asarray(digits.target, dtype=np.int64)

    def halve(indices: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rest, taken = model_selection.train_test_split(
            indices, test_size=size, random_state=seed, stratify=labels[indices]
        )
        return rest, taken

    seed = split_seed(SPLIT_SEED, redraw)
    rest, test = halve(np.arange(len(labels)), TEST, SPLIT_SEED)
    rest, validation = halve(rest, VALIDATION, seed)
    train = rest if config.train_images is None else halve(rest, config.train_images, seed)[1]

    def split(indices: np.ndarray) -> DataSplit:
        return DataSplit(torch.from_numpy(images[indices]), torch.from_numpy(labels[indices]))

    pixels = torch.from_numpy(images[train]).float()
    return Dataset(
        train=split(train),
        validation=split(validation),
        classes=tuple(str(name) for name in digits.target_names),
        mean=pixels.mean((0, 2, 3)),
        std=pixels.std((0, 2, 3)),
        fingerprint=f"digits/{config.train_images}/{config.canvas}",
        test_counts=tuple(np.bincount(labels[test]).tolist()),
        _test=lambda: split(test),
        _redraw=lambda number: load_digits(config, number),
    )


def _placed(images: np.ndarray, canvas: int) -> np.ndarray:
    """Put each digit at a place of its own on a canvas, always the same for the same canvas.

    Shape:
        (n, 1, 8, 8) -> (n, 1, canvas, canvas)
    """
    if canvas == SIDE:
        return images
    corners = np.random.default_rng(SPLIT_SEED).integers(0, canvas - SIDE + 1, (len(images), 2))
    placed = np.zeros((len(images), 1, canvas, canvas), dtype=np.uint8)
    for where, image, (top, left) in zip(placed, images, corners, strict=True):
        where[:, top : top + SIDE, left : left + SIDE] = image
    return placed
