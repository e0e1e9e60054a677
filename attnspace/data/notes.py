"""What a dataset says of itself: notes, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from attnspace.data.cache import Decoded
from attnspace.data.decoder import LISTED
from attnspace.data.drawing import Rows
from attnspace.data.options import DecodingOptions, SplitOptions

__all__ = ["absent_classes", "drawn_note", "fingerprint", "pixel_notes"]


def fingerprint(config: SplitOptions, rows: Rows, content: str, validation: str | None = None) -> str:
    """A digest of what decides the training and validation splits: the images and how they are split.

    Args:
        config: how they are drawn.
        rows: what was drawn.
        content: a digest of the images that splits are drawn from.
        validation: a digest of the validation images, where the source has a split of them and `content` is not theirs.
    """
    parts: list[Any] = [content, config.validation, config.split_seed, config.train_images]
    if validation is not None:
        parts = [content, {"validation": validation}, config.split_seed, config.train_images]
    parts += [config.test_images] if rows.test is not None else []
    parts += ["mended"] if rows.mended else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def drawn_note(drawn: int, count: int) -> str:
    """The note on a test split that was drawn from the other images, as the source has none."""
    return f"there is no test split: {drawn:,} of the {count:,} images were drawn for it, class by class"


def pixel_notes(kept: Decoded, part: str, config: DecodingOptions) -> tuple[str, ...]:
    """Notes on what was done to images of more than 8 bits, transparent ones and several in a file; none if nothing."""
    notes = []
    span = config.wanted.span
    if kept.values is not None:
        low, high = (f"{value:,.6g}" for value in kept.values)
        done = f"{span[0]:,.6g} becomes 0 and {span[1]:,.6g} 1" if span else "they are taken as they are"
        remedy = "" if span else "; depth or range would say which values are black and white"
        notes.append(f"{part} images have more than 8 bits, of values from {low} to {high}: {done}{remedy}")
    if kept.cut:
        notes.append(f"{part} images with values outside of the stated ones, which are cut: {kept.cut:,}")
    if kept.blended:
        notes.append(f"transparent {part} images, which are laid on background {config.background}: {kept.blended:,}")
    if kept.several:
        notes.append(f"{part} files with several images, of which the first is taken: {kept.several:,}")
    return tuple(notes)


def absent_classes(every: np.ndarray, splits: Mapping[str, np.ndarray], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Notes on the classes without an image, and on those without one in a split; nothing if there are none.

    Args:
        every: the labels of all images that are no test images of their own.
        splits: name of a split -> its labels.
        classes: class names, in the order of the labels.
    """
    there = np.bincount(every, minlength=len(classes)) > 0
    notes = [_without(~there, "image", classes)]
    for name, labels in splits.items():
        found = np.bincount(labels[labels >= 0], minlength=len(classes)) > 0
        notes.append(_without(there & ~found, f"{name} image", classes))
    return tuple(note for note in notes if note)


def _without(missing: np.ndarray, what: str, classes: tuple[str, ...]) -> str:
    """A note on the classes that miss something; empty if none does."""
    names = [classes[label] for label in np.flatnonzero(missing)]
    if not names:
        return ""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{len(names)} of {len(classes)} classes have no {what}: {', '.join(names[:LISTED])}{more}"
