"""What a network returns, and which part of it is the one that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from attnspace.errors import TrainingFailed

__all__ = ["main_output", "main_part"]

NAMES = ("logits", "out")
"""What the main output is called where several have names: by classifiers, and by torchvision's segmentation."""


def main_output(returned: Any) -> Tensor:
    """The tensor that counts in what a network returns; auxiliary heads are left out.

    Raises:
        TrainingFailed: there is none, or it cannot be told which.
    """
    return main_part(returned)[0]


def main_part(returned: Any) -> tuple[Tensor, str]:
    """The tensor that counts, and what it is of what is returned, in words.

    Raises:
        TrainingFailed: there is none, or it cannot be told which.
    """
    if isinstance(returned, Tensor):
        return returned, "the tensor that it returns"
    for name in NAMES:
        found = returned.get(name) if isinstance(returned, Mapping) else getattr(returned, name, None)
        if isinstance(found, Tensor):
            return found, f"{name!r} of the {type(returned).__name__} that it returns"
    if isinstance(returned, Mapping):
        tensors = {key: value for key, value in returned.items() if isinstance(value, Tensor)}
        if len(tensors) == 1:
            (name, found), *_ = tensors.items()
            return found, f"{name!r} of the {type(returned).__name__} that it returns"
    elif isinstance(returned, list | tuple) and returned and isinstance(returned[0], Tensor):
        return returned[0], f"the first of the {len(returned)} things that it returns"
    has = f" of {', '.join(map(str, returned))}" if isinstance(returned, Mapping) else ""
    raise TrainingFailed(
        f"the network returns a {type(returned).__name__}{has}; allowed: a tensor, a mapping with 'logits', 'out' or "
        "one tensor alone, or a sequence that begins with a tensor"
    )
