"""Notes on images that stand in several splits, or under several labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Marked", "same_image_notes"]


@dataclass(frozen=True)
class Marked:
    """A digest and a label of every image of a split.

    Attributes:
        digests: (n,) of bytes; an empty one says nothing.
        labels: (n,) int64; -1 says nothing.
    """

    digests: np.ndarray
    labels: np.ndarray

    def chosen(self, rows: np.ndarray) -> Marked:
        """Those of some rows."""
        return Marked(self.digests[rows], self.labels[rows])


def same_image_notes(splits: Mapping[str, Marked], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Notes on images whose bytes are the same, where that matters.

    Args:
        splits: name of a split -> its images: that of training images first.
        classes: class names, in the order of the labels.
    """
    notes = _under_two_labels(Marked(*map(np.concatenate, _columns(splits))), classes)
    before = np.array([], dtype=np.bytes_)
    for number, (name, split) in enumerate(splits.items()):
        known = split.digests[split.digests != b""]
        if twice := int(np.isin(known, before).sum()):
            others = " or ".join(list(splits)[:number])
            notes.append(f"{twice:,} of {len(split.labels):,} {name} images are {others} images too")
        before = np.union1d(before, known)
    return tuple(notes)


def _columns(splits: Mapping[str, Marked]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [split.digests for split in splits.values()], [split.labels for split in splits.values()]


def _under_two_labels(images: Marked, classes: tuple[str, ...]) -> list[str]:
    told = images.chosen(np.flatnonzero((images.digests != b"") & (images.labels >= 0)))
    _, which = np.unique(told.digests, return_inverse=True)
    pairs = np.unique(np.stack((which, told.labels), axis=1), axis=0)
    found, counts = np.unique(pairs[:, 0], return_counts=True)
    several = found[counts > 1]
    if not len(several):
        return []
    named = " and ".join(classes[label] for label in pairs[pairs[:, 0] == several[0], 1][:2])
    said = "image stands" if len(several) == 1 else "images stand"
    return [f"{len(several):,} {said} under two labels, such as {named}"]
