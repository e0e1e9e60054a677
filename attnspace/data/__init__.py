"""Images and labels for a study.

`load` gives training and validation images only. The test split has a function of its own, which a search never
calls.
"""

from __future__ import annotations

from attnspace.data.digits import DigitsConfig, load_digits
from attnspace.data.split import Dataset, Split

__all__ = ["DataConfig", "Dataset", "DigitsConfig", "Split", "load", "load_test"]

DataConfig = DigitsConfig
"""What a study's `data` may be."""


def load(config: DataConfig) -> Dataset:
    """Training and validation images."""
    return load_digits(config)


def load_test(config: DataConfig) -> Split:
    """Test images: for the confirmation of a finished search, never for the search."""
    return load_digits(config).sealed_test()
