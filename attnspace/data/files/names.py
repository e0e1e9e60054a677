"""Names of files and folders: compared as people read them, and the usual ones of splits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal

__all__ = ["SPLITS", "Split", "composed", "folder_split", "meant", "path_split", "set_name", "split_of"]

Split = Literal["train", "val", "test"]

SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""The words by which each split is called."""

_WORD: dict[str, Split] = {word: split for split, words in SPLITS.items() for word in words}
_BESIDE = r"(?:set|split|part|data|dataset|images?|imgs?|samples?|\d+)"
_NAME = re.compile(
    rf"(?:{_BESIDE}[\s_.-]*)*(?P<word>{'|'.join(sorted(_WORD, key=len, reverse=True))})(?:[\s_.-]*{_BESIDE})*"
)


def composed(name: str) -> str:
    """A name in Unicode's composed form: an accented letter is one character, however a file system keeps it."""
    return unicodedata.normalize("NFC", name)


def split_of(name: str) -> Split | None:
    """The split that a folder's name stands for, such as `Train`, `training_set` or `01-test`; None if it is none."""
    found = _NAME.fullmatch(_folded(name))
    return _WORD[found["word"]] if found else None


def folder_split(path: str) -> Split | None:
    """The split that the folders of a path stand for, the nearest to the file first."""
    folders = reversed(PurePosixPath(path).parts[:-1])
    return next((split for folder in folders if (split := split_of(folder))), None)


def path_split(path: str) -> Split | None:
    """The split that a file belongs to by one word of its name, as `cifar-train-00000`, or by its folders."""
    words = re.findall(r"[a-z]+", _folded(PurePosixPath(path).stem))
    said = {_WORD[word] for word in words if word in _WORD}
    return said.pop() if len(said) == 1 else folder_split(path)


def set_name(path: str) -> tuple[str, ...]:
    """The words of a file's name that are neither of a split nor of a series: those of its data set."""
    stem = re.sub(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$", "", _folded(PurePosixPath(path).stem))
    words = re.findall(r"[^\W\d_]+", stem)
    return tuple(word for word in words if word not in _WORD and not re.fullmatch(_BESIDE, word))


def meant(wanted: str, names: Iterable[str]) -> Sequence[str]:
    """Those of some names that `wanted` stands for: itself, else itself in another case, else names of its split."""
    there = list(names)
    folded, split = _folded(wanted), split_of(wanted)
    return (
        [name for name in there if composed(name) == composed(wanted)]
        or [name for name in there if _folded(name) == folded]
        or [name for name in there if split and split_of(name) == split]
    )


def _folded(name: str) -> str:
    return composed(name).casefold()
