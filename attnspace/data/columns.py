"""The columns of parquet files that hold images and labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from attnspace.data.files.listing import file_fault
from attnspace.data.files.names import composed
from attnspace.errors import DataError

__all__ = ["BATCH", "Columns", "batches", "checked", "named_classes"]

BATCH = 256
"""How many rows are read at once."""


@dataclass(frozen=True)
class Columns:
    """The names of the two columns."""

    image: str
    label: str


def checked(path: Path, columns: Columns) -> tuple[int, tuple[str, ...]]:
    """Check the head of a file; return its number of rows, and the class names in its metadata.

    Raises:
        DataError: the file is damaged, or a column is missing or of another type.
    """
    with _opened(path) as file:
        _check_types(file.schema_arrow, columns)
        return file.metadata.num_rows, named_classes(file.schema_arrow.metadata or {}, columns.label)


def named_classes(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """The class names in metadata, as the hub writes them or separated by commas; none where there are neither."""
    try:
        found = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][label]["names"]
        return tuple(composed(str(name)) for name in found) if isinstance(found, list) else ()
    except (KeyError, TypeError, ValueError):  # metadata of another program
        listed = metadata.get(b"class_names", b"").decode(errors="replace")
        return tuple(composed(name.strip()) for name in listed.split(",")) if listed else ()


def batches(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a file, with some of its columns.

    Raises:
        DataError: the file is damaged.
    """
    with _opened(path) as file:
        found = file.iter_batches(BATCH, columns=names)
        while True:
            try:
                batch = next(found, None)
            except (OSError, pa.ArrowException) as cause:
                raise _damaged(path, cause) from None
            if batch is None:
                return
            yield batch


def _check_types(schema: pa.Schema, columns: Columns) -> None:
    for field, name in (("image", columns.image), ("label", columns.label)):
        if name not in schema.names:
            raise DataError("is no column of the files", at=(field,), got=name, allowed=", ".join(schema.names))
    kind = schema.field(columns.image).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise DataError(
            f"column {columns.image} holds {_short(schema.field(columns.image).type)}",
            at=("image",),
            allowed="bytes of encoded images, or structs with such bytes",
        )
    if not pa.types.is_integer(schema.field(columns.label).type):
        raise DataError(
            f"column {columns.label} holds {_short(schema.field(columns.label).type)}",
            at=("label",),
            allowed="whole numbers from 0 on",
        )


def _short(kind: Any) -> str:
    text = str(kind)
    return text if len(text) <= 60 else text[:57] + "..."


def _opened(path: Path) -> pq.ParquetFile:
    if fault := file_fault(path):
        raise DataError(f"{path.name} {fault}", at=("path",))
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as cause:
        raise _damaged(path, cause) from None


def _damaged(path: Path, cause: Exception) -> DataError:
    first = str(cause).strip().splitlines()[0][:200]
    return DataError(f"{path.name} is no whole parquet file: {first}", at=("path",), remedy="copy or download it again")
