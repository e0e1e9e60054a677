"""Class names of parquet files, each of which may number the classes in an order of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attnspace.data.columns import Columns, batches, checked
from attnspace.data.files.names import Split
from attnspace.documents.validation import some_of
from attnspace.errors import DataError

__all__ = ["Naming", "class_naming"]

MOST = 1_000_000
"""How many classes there may be where none is named."""


@dataclass(frozen=True)
class Naming:
    """The classes of a data set.

    Attributes:
        classes: their names, in the order of the labels.
        orders: of each file that numbers them in another way, the label that each of its numbers stands for.
        notes: what the user should know of them.
    """

    classes: tuple[str, ...]
    orders: Mapping[Path, tuple[int, ...]]
    notes: tuple[str, ...]


def class_naming(files: Mapping[Split, Sequence[Path]], columns: Columns) -> Naming:
    """Find the class names in the metadata of files; where no training file has them, numbers up to the largest label.

    Raises:
        DataError: a file is damaged, a column is missing, no label is usable, or a file names other classes.
    """
    own = {path: checked(path, columns)[1] for paths in files.values() for path in paths}
    first = next((path for path in files["train"] if own[path]), None)
    named = {path: names for path, names in own.items() if names}
    if first is None:
        notes = _note("class names are not used, as training files have none, and labels are taken by number", named)
        return Naming(_numbers(files["train"], columns), {}, notes)
    classes = own[first]
    orders = {path: _order(path, names, first, classes) for path, names in named.items() if names != classes}
    mapped = _note("classes stand in another order than in the training files, and labels are taken by name", orders)
    nameless = [path for path in own if path not in named]
    rest = _note("there are no class names, and labels are taken by number", nameless)
    return Naming(classes, orders, mapped + rest)


def _order(path: Path, names: tuple[str, ...], first: Path, classes: tuple[str, ...]) -> tuple[int, ...]:
    """The label that each number of a file stands for.

    Raises:
        DataError: the file names a class that the training files do not name, or one twice.
    """
    if other := sorted(set(names) - set(classes)):
        raise DataError(
            f"{path.parent.name}/{path.name} names classes that {first.parent.name}/{first.name} does not: "
            f"{some_of(other)}",
            at=("path",),
            allowed=some_of(classes),
            remedy="name files of one data set",
        )
    if len(set(names)) < len(names) or len(set(classes)) < len(classes):
        raise DataError(f"{path.name} and {first.name} name the same class twice", at=("label",), got=list(names))
    return tuple(classes.index(name) for name in names)


def _note(what: str, paths: Sequence[Path] | Mapping[Path, object]) -> tuple[str, ...]:
    return (f"{what}: {some_of(path.name for path in paths)}",) if paths else ()


def _numbers(paths: Sequence[Path], columns: Columns) -> tuple[str, ...]:
    """Numbers up to the largest label, as names.

    Raises:
        DataError: no label is usable.
    """
    largest = -1
    for path in paths:
        for batch in batches(path, [columns.label]):
            known = [value for value in batch.column(columns.label).to_pylist() if value is not None]
            largest = max(largest, *known, -1)
    if largest < 0:
        raise DataError("holds no label from 0 on", at=("label",), got=columns.label)
    if largest >= MOST:
        raise DataError(f"holds label {largest:,}, and class names are nowhere", at=("label",), got=columns.label)
    return tuple(str(number) for number in range(largest + 1))
