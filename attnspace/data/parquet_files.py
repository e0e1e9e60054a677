"""Which parquet files of a folder belong to which split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from attnspace.data.files.listing import files_below
from attnspace.data.files.names import Split, composed, folder_split, path_split, set_name, split_of
from attnspace.documents.validation import some_of
from attnspace.errors import DataError

__all__ = ["USUAL", "split_files"]

USUAL: dict[Split, str] = {"train": "train*.parquet", "val": "val*.parquet", "test": "test*.parquet"}
"""The patterns where a study says nothing; they stand for files of other usual names, too."""

REQUIRED: tuple[Split, ...] = ("train", "test")
"""The splits whose files must be there if they are asked for."""


def split_files(
    where: str, root: Path, patterns: Mapping[Split, str | None]
) -> tuple[dict[Split, list[Path]], tuple[str, ...]]:
    """The files of each split that is asked for and there, in the order of their names; and notes.

    Args:
        where: the folder, as the user named it.
        root: the folder, or a single file, which is of training images.
        patterns: split -> which files are its, by names from the folder or by the last parts of these.

    Raises:
        DataError: a split has no files, one of a numbered series is missing, or it is not clear which are meant.
    """
    if root.is_file():
        return {"train": [root]}, ()
    paths = {composed(path.relative_to(root).as_posix()): path for path in files_below(root)}
    names = sorted(paths)
    found: dict[Split, list[str]] = {}
    for split in ("train", "test", "val"):
        pattern = patterns.get(split)
        if pattern is None:
            continue
        chosen = _fitting(split, pattern, names)
        if split == "val" and pattern == USUAL[split]:
            chosen = [name for name in chosen if all(name not in others for others in found.values())]
        if chosen:
            found[split] = chosen
        elif split in REQUIRED or pattern != USUAL[split]:
            raise _nothing(where, split, pattern, names)
    _check_apart(found, patterns)
    _check_one_set(where, found, patterns)
    for chosen in found.values():
        _check_complete([paths[name] for name in chosen])
    used = {name for chosen in found.values() for name in chosen}
    unused = [name for name in names if name not in used and _is_parquet(name)]
    notes = (f"these files are not used: {some_of(unused)}",) if unused else ()
    return {split: [paths[name] for name in chosen] for split, chosen in found.items()}, notes


def _fitting(split: Split, pattern: str, names: Sequence[str]) -> list[str]:
    """The names that fit a pattern, in any case; where it is the usual one, those that are called like the split."""
    called = [name for name in names if _is_parquet(name) and path_split(name) == split]
    if split == "val" and pattern == USUAL[split]:  # `values.parquet` fits the pattern and is something else
        return called
    wanted = composed(pattern)
    return (
        [name for name in names if PurePosixPath(name).match(wanted)]
        or [name for name in names if PurePosixPath(name.casefold()).match(wanted.casefold())]
        or (called if pattern == USUAL[split] else [])
    )


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(".parquet")


def _nothing(where: str, split: Split, pattern: str, names: Sequence[str]) -> DataError:
    there = [name for name in names if _is_parquet(name)]
    drawn = f"{split}: null has them drawn from the training images" if split != "train" else None
    return DataError(
        f"no file in {where} or below fits {pattern}",
        at=(split,),
        allowed=f"patterns of what is there: {', '.join(there[:5])}" if there else None,
        remedy=drawn if there else f"the folder is to hold parquet files such as {pattern}",
    )


def _check_apart(found: Mapping[Split, Sequence[str]], patterns: Mapping[Split, str | None]) -> None:
    """Check that no file belongs to two splits, and that a pattern means the files of one.

    Raises:
        DataError: it is not so.
    """
    owner: dict[str, Split] = {}
    for split, names in found.items():
        for name in names:
            if (other := owner.setdefault(name, split)) != split:
                raise DataError(f"{name} belongs to {other}, too", at=(split,), got=patterns[split])
        said = sorted({where for name in names if (where := folder_split(name))})
        best = next((name for name in names if folder_split(name) == split), names[0])
        if len(said) > 1 and "/" not in (patterns[split] or ""):
            raise DataError(
                f"fits files in the folders of several splits: {some_of(names)}",
                at=(split,),
                got=patterns[split],
                remedy=f"write the folder too: {split}: {best}",
            )


def _check_one_set(where: str, found: Mapping[Split, Sequence[str]], patterns: Mapping[Split, str | None]) -> None:
    """Check that all files are of one data set, where patterns do not name the folders of several.

    Raises:
        DataError: files lie in several folders, besides those of splits, or have names of several data sets.
    """
    usual = [name for split, names in found.items() for name in names if patterns[split] == USUAL[split]]
    sets = {set_name(name): name for name in usual}
    if len(sets) > 1:
        split = next(split for split in found if patterns[split] == USUAL[split])
        words = next(words for words in sets if words)
        raise DataError(
            f"the names of the files say that they may be several data sets: {some_of(sorted(sets.values()))}",
            at=("path",),
            remedy=f"name those of one set, such as {split}: '*{words[0]}*{split}*.parquet', or to read all of them as "
            f"one set {split}: '*{split}*.parquet'",
        )
    folders = {
        "/".join(part for part in PurePosixPath(name).parts[:-1] if not split_of(part)): None
        for split, names in found.items()
        for name in names
        if "/" not in (patterns[split] or "")
    }
    if len(folders) > 1:
        named = [folder or "." for folder in folders]
        one = next(folder for folder in named if folder != ".")
        raise DataError(
            f"the files lie in several folders, which may be several data sets: {some_of(named)}",
            at=("path",),
            remedy=f"name one of them, path: {where.rstrip('/')}/{one}, or write the folders in the patterns, "
            f"train: {one}/{USUAL['train']}; to read all of them as one set, train: '*/{USUAL['train']}'",
        )


def _check_complete(files: list[Path]) -> None:
    """Check that no file is missing in a series numbered `-00000-of-00005`.

    Raises:
        DataError: a file is missing.
    """
    series: dict[tuple[Path, str, int], set[int]] = {}
    for path in files:
        if found := re.match(r"(.*)-(\d{5})-of-(\d{5})(?!\d)", path.name):
            series.setdefault((path.parent, found[1], int(found[3])), set()).add(int(found[2]))
    for (folder, name, count), numbers in series.items():
        if missing := sorted(set(range(count)) - numbers):
            raise DataError(
                f"{len(missing)} of {count} files are missing from {folder.name}, such as "
                f"{name}-{missing[0]:05d}-of-{count:05d}",
                at=("path",),
                remedy="complete the copy of the data set",
            )
