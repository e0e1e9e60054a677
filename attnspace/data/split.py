"""What every data source gives: splits of images, and how to normalise them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from attnspace.data.stored import StoredImages

__all__ = ["DataSplit", "Dataset"]


@dataclass(frozen=True)
class DataSplit:
    """Images and labels.

    Attributes:
        images: (n, C, H, W) uint8, in memory or in a file; float32 where they have more than 8 bits.
        labels: (n,) int64.
        notes: what the user should know of them, in sentences.
    """

    images: Tensor | StoredImages
    labels: Tensor
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A training and a validation split, and what training needs to know of them.

    Attributes:
        classes: class names, in the order of the labels.
        mean, std: mean and standard deviation of each channel over the training images, in units of the pixel values.
        fingerprint: a digest that is the same for the same images, labels and splits, wherever they are kept.
        notes: what the user should know of them, in sentences.
        test_counts: how many test images each class has; empty where that is not known before the test.
    """

    train: DataSplit
    validation: DataSplit
    classes: tuple[str, ...]
    mean: Tensor
    std: Tensor
    fingerprint: str
    notes: tuple[str, ...] = ()
    test_counts: tuple[int, ...] = ()
    _test: Callable[[], DataSplit] = field(kw_only=True, repr=False)
    _redraw: Callable[[int], Dataset] | None = field(default=None, kw_only=True, repr=False)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of an image, (C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def counts(self) -> dict[str, tuple[int, ...]]:
        """Name of a split -> how many images each class has; of the test split where it is known."""
        known = {"train": self.train.labels, "validation": self.validation.labels}
        found = {name: tuple(labels.bincount(minlength=len(self.classes)).tolist()) for name, labels in known.items()}
        return found | ({"test": self.test_counts} if self.test_counts else {})

    @property
    def is_drawn(self) -> bool:
        """Whether validation images are drawn from the others, so that they can be drawn anew."""
        return self._redraw is not None

    def redrawn(self, number: int) -> Dataset:
        """The same images with training and validation images drawn anew, for each number in one way; the test images
        stay.

        Raises:
            ValueError: the source says which images validate.
        """
        if self._redraw is None:
            raise ValueError("the source says which images validate: there is nothing to draw")
        return self._redraw(number)

    def sealed_test(self) -> DataSplit:
        """The test split, which is loaded only now. A search never asks for it."""
        return self._test()
