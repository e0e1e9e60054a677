"""Random changes to training images, made in batch where the images are.

All random numbers of an epoch are drawn beforehand, on the CPU, so that every device makes the same changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from attnspace.documents.sections import Section

__all__ = ["Augment", "augment", "draws", "mixed"]


class Augment(Section):
    """Random changes to each training image: a shift of up to `shift` pixels, a mirror image, a square of `cutout`
    pixels blacked out; `mixup` blends each image and its label with another one of the batch.

    Source: cutout: DeVries and Taylor, arXiv 1708.04552, section 3.2. mixup: Zhang et al., arXiv 1710.09412, eq. 1.
    """

    shift: Annotated[int, Field(ge=0, le=64, description="Pixels, at most, in each direction.")] = 0
    flip: Annotated[bool, Field(description="Mirror half of the images.")] = False
    cutout: Annotated[
        int, Field(ge=0, le=256, description="Side in pixels of a square that becomes 0; 0 for none.")
    ] = 0
    mixup: Annotated[float, Field(ge=0, le=10, description="Of the Beta distribution of shares; 0 for none.")] = 0.0


def draws(
    how: Augment, steps: int, batch_size: int, size: tuple[int, int], generator: torch.Generator
) -> dict[str, Tensor]:
    """The random numbers of `steps` batches; the first axis of each is the step.

    Shape:
        shift (steps, 2, N) and cutout (steps, 2, N) int64, flip (steps, N) bool, mixup (steps,) float32
    """
    height, width = size
    drawn: dict[str, list[Tensor]] = {}
    for _ in range(steps):
        if how.shift:
            shift = torch.randint(0, 2 * how.shift + 1, (2, batch_size, 1), generator=generator)
            drawn.setdefault("shift", []).append(shift[..., 0])
        if how.flip:
            drawn.setdefault("flip", []).append(torch.rand(batch_size, generator=generator) < 0.5)
        if how.cutout:
            row = torch.randint(0, height, (batch_size,), generator=generator)
            column = torch.randint(0, width, (batch_size,), generator=generator)
            drawn.setdefault("cutout", []).append(torch.stack([row, column]))
    found = {name: torch.stack(values) for name, values in drawn.items()}
    if how.mixup:
        seed = int(torch.randint(2**62, (), generator=generator))
        found["mixup"] = torch.from_numpy(np.random.default_rng(seed).beta(how.mixup, how.mixup, steps)).float()
    return found


def augment(images: Tensor, how: Augment, drawn: Mapping[str, Tensor]) -> Tensor:
    """Shift, mirror and cut each image by itself; pixels that come in from outside are 0.

    Shape:
        (N, C, H, W) of any type, and one step of `draws` -> the same
    """
    n, channels, height, width = images.shape
    device = images.device
    if how.shift:
        padded = F.pad(images, [how.shift] * 4)
        top, left = drawn["shift"][..., None]
        rows = (top + torch.arange(height, device=device))[:, None, :, None]
        columns = (left + torch.arange(width, device=device))[:, None, None, :]
        which = torch.arange(n, device=device)[:, None, None, None]
        images = padded[which, torch.arange(channels, device=device)[:, None, None], rows, columns]
    if how.flip:
        images = torch.where(drawn["flip"][:, None, None, None], images.flip(3), images)
    if how.cutout:
        row, column = drawn["cutout"][..., None]
        before = how.cutout // 2
        in_rows = _inside(torch.arange(height, device=device) - row + before, how.cutout)
        in_columns = _inside(torch.arange(width, device=device) - column + before, how.cutout)
        images = images.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0)
    return images


def mixed(images: Tensor, share: Tensor) -> Tensor:
    """Blend each image of the batch with its counterpart from the end, which is a random one, as the order is random.

    Shape:
        (N, C, H, W) float, () -> the same
    """
    return torch.lerp(images.flip(0), images, share)


def _inside(offset: Tensor, side: int) -> Tensor:
    return (offset >= 0) & (offset < side)
