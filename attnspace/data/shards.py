"""Parquet files as a source of encoded images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attnspace.data.source import Encoded, label_fault
from attnspace.errors import DataError

__all__ = ["Shards", "column_classes", "shards"]

BATCH = 256
"""How many rows are read at once."""


@dataclass(frozen=True)
class Shards:
    """Parquet files of one split."""

    part: str
    where: str
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    image: str
    label: str
    count: int

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """Every file, named by the columns that are read of it."""
        return tuple((json.dumps([self.image, self.label]), path) for path in self.paths)

    def __len__(self) -> int:
        return self.count

    def images(self) -> Iterator[Encoded]:
        """Every row as an encoded image.

        Raises:
            DataError: a file is damaged.
        """
        for path in self.paths:
            row = 0
            for batch in _batches(path, [self.image, self.label]):
                images, labels = batch.column(self.image), batch.column(self.label)
                encoded = pc.struct_field(images, "bytes") if pa.types.is_struct(images.type) else images
                for data, label in zip(encoded.to_pylist(), labels.to_pylist(), strict=True):
                    fault = "has no image" if data is None else label_fault(label, len(self.classes))
                    name = f"{path.name} row {row}"
                    yield Encoded(name, partial(bytes, data or b""), -1 if fault else label, fault)
                    row += 1


def shards(part: str, where: str, paths: Sequence[Path], columns: tuple[str, str], classes: tuple[str, ...]) -> Shards:
    """The files of one split as a source, after a check of their heads.

    Raises:
        DataError: a file is damaged, or a column is missing or of another type.
    """
    count = 0
    for path in paths:
        with _opened(path) as file:
            _check_columns(file.schema_arrow, *columns)
            count += file.metadata.num_rows
    if not count:
        raise DataError(f"the {part} files in {where} have no rows", at=("path",))
    return Shards(part, where, classes, tuple(paths), *columns, count)


def column_classes(paths: Sequence[Path], image: str, label: str) -> tuple[str, ...]:
    """The class names in the first file's metadata; where it has none, the numbers up to the largest label.

    Raises:
        DataError: a file is damaged, a column is missing, or no label is usable.
    """
    with _opened(paths[0]) as file:
        _check_columns(file.schema_arrow, image, label)
        if names := _named(file.schema_arrow.metadata or {}, label):
            return names
    largest = -1
    for path in paths:
        for batch in _batches(path, [label]):
            known = [value for value in batch.column(label).to_pylist() if value is not None]
            largest = max(largest, *known, -1)
    if largest < 0:
        raise DataError("holds no label from 0 on", at=("label",), got=label)
    if largest >= 1_000_000:
        raise DataError(f"holds label {largest:,}, and class names are nowhere", at=("label",), got=label)
    return tuple(str(number) for number in range(largest + 1))


def _named(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """The class names in metadata, as the hub writes them or separated by commas; none where there are neither."""
    try:
        found = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][label]["names"]
        return tuple(str(name) for name in found)
    except (KeyError, TypeError, ValueError):  # metadata of another program
        listed = metadata.get(b"class_names", b"").decode(errors="replace")
        return tuple(name.strip() for name in listed.split(",")) if listed else ()


def _check_columns(schema: pa.Schema, image: str, label: str) -> None:
    for field, name in (("image", image), ("label", label)):
        if name not in schema.names:
            raise DataError("is no column of the files", at=(field,), got=name, allowed=", ".join(schema.names))
    kind = schema.field(image).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise DataError(
            f"column {image} holds {_short(schema.field(image).type)}",
            at=("image",),
            allowed="bytes of encoded images, or structs with such bytes",
        )
    if not pa.types.is_integer(schema.field(label).type):
        raise DataError(
            f"column {label} holds {_short(schema.field(label).type)}", at=("label",), allowed="whole numbers from 0 on"
        )


def _short(kind: Any) -> str:
    text = str(kind)
    return text if len(text) <= 60 else text[:57] + "..."


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as cause:
        raise _damaged(path, cause) from None


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with _opened(path) as file:
        batches = file.iter_batches(BATCH, columns=columns)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, pa.ArrowException) as cause:
                raise _damaged(path, cause) from None
            if batch is None:
                return
            yield batch


def _damaged(path: Path, cause: Exception) -> DataError:
    first = str(cause).strip().splitlines()[0][:200]
    return DataError(f"{path.name} is no whole parquet file: {first}", at=("path",), remedy="copy or download it again")
