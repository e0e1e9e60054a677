"""What tests import by name."""

import numpy as np
import torch


def made(train=20, test=6, validation=0, classes=2, kind="tensor", names=None, **broken):
    """Images of noise, labels in turn."""

    def part(count, seed):
        images = np.random.default_rng(seed).integers(0, 256, (count, 3, 4, 5), dtype=np.uint8)
        labels = np.arange(count) % classes
        return (torch.from_numpy(images), torch.from_numpy(labels)) if kind == "tensor" else (images, labels)

    returned = {"train": part(train, 0), "test": part(test, 1) if test else None, "classes": names}
    if validation:
        returned["validation"] = part(validation, 2)
    return returned


def replaced(name="train", images=None, labels=None, dtype="uint8", label_dtype="int64", fill=0, **other):
    """`made`, with one part of another shape or type."""
    returned = made(**other)
    if images is not None:
        array = np.full(images, fill, dtype=dtype)
        returned[name] = (array, np.zeros(images[0], dtype=np.int64))
    if labels is not None:
        returned[name] = (returned[name][0], np.array(labels, dtype=label_dtype))
    return returned


def given(value):
    """The value itself."""
    return value


def bfloat():
    returned = made()
    return {**returned, "train": (returned["train"][0].bfloat16(), returned["train"][1])}


def ragged():
    return {**made(), "train": ([[1], [1, 2]], [0, 1])}


def failing():
    raise RuntimeError("the disk is elsewhere")


def deep(dtype="uint16", top=4_095):
    """Images of noise of more than 8 bits."""

    def part(count, seed):
        images = np.random.default_rng(seed).integers(0, top + 1, (count, 3, 4, 5)).astype(dtype)
        return images, np.arange(count) % 2

    return {"train": part(20, 0), "test": part(6, 1)}


def same_everywhere():
    """Test images that are training images."""
    returned = made()
    images, labels = returned["train"]
    return {**returned, "test": (images[:6], labels[:6])}
