"""Parquet files as a source of encoded images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attnspace.data.class_naming import Naming
from attnspace.data.columns import BATCH, Columns, batches, checked
from attnspace.data.digests import Content, kept_digests
from attnspace.data.progress import Watch
from attnspace.data.source import Encoded, Labelled, label_fault
from attnspace.errors import DataError

__all__ = ["Shards", "shards"]


@dataclass(frozen=True)
class Shards:
    """Parquet files of one split."""

    part: str
    where: str
    naming: Naming
    paths: tuple[Path, ...]
    columns: Columns
    count: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        return self.naming.classes

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """Every file, named by what is read of it, and how."""
        names = [self.columns.image, self.columns.label]
        orders = [self.naming.orders.get(path) for path in self.paths]
        read = [[*names, list(order)] if order else names for order in orders]
        return tuple((json.dumps(how), path) for how, path in zip(read, self.paths, strict=True))

    def __len__(self) -> int:
        return self.count

    def images(self) -> Iterator[Encoded]:
        """Every row as an encoded image.

        Raises:
            DataError: a file is damaged.
        """
        for found, data in zip(self.labels(), self._encoded(), strict=True):
            fault = "has no image" if data is None else found.fault
            yield Encoded(found.name, partial(bytes, data or b""), -1 if fault else found.label, fault)

    def labels(self) -> Iterator[Labelled]:
        """The label of every row, by the order of the classes.

        Raises:
            DataError: a file is damaged.
        """
        for path in self.paths:
            order = self.naming.orders.get(path)
            row = 0
            for batch in batches(path, [self.columns.label]):
                for label in batch.column(self.columns.label).to_pylist():
                    fault = label_fault(label, len(order or self.classes))
                    number = -1 if fault else order[label] if order else label
                    yield Labelled(f"{path.name} row {row}", number, fault)
                    row += 1

    def digests(self, content: Content, watch: Watch | None = None) -> np.ndarray:
        """The digest of every row's image.

        Raises:
            DataError: a file is damaged, or the cache cannot be written.
        """
        names = hashlib.sha256(repr((content.whole, self.columns.image, "rows")).encode()).hexdigest()
        return np.array(kept_digests(names, self.count, lambda: self._digested(watch)), dtype=np.bytes_)

    def _digested(self, watch: Watch | None) -> Iterator[str]:
        for row, data in enumerate(self._encoded(), 1):
            yield hashlib.sha256(data).hexdigest() if data else ""
            if watch and (row % BATCH == 0 or row == self.count):
                watch(f"compare {self.part} images", row, self.count)

    def _encoded(self) -> Iterator[bytes | None]:
        for path in self.paths:
            for batch in batches(path, [self.columns.image]):
                images = batch.column(self.columns.image)
                encoded = pc.struct_field(images, "bytes") if pa.types.is_struct(images.type) else images
                yield from encoded.to_pylist()


def shards(part: str, where: str, paths: Sequence[Path], columns: Columns, naming: Naming) -> Shards:
    """The files of one split as a source, after a check of their heads.

    Raises:
        DataError: a file is damaged, or a column is missing or of another type.
    """
    count = sum(checked(path, columns)[0] for path in paths)
    if not count:
        raise DataError(f"the {part} files in {where} have no rows", at=("path",))
    return Shards(part, where, naming, tuple(paths), columns, count)
