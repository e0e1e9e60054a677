"""parquet: encoded images and their labels in columns, as image data sets lie on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from attnspace.data.assembly import assemble
from attnspace.data.hub import HUB, HubPath, absent
from attnspace.data.options import Amount, DecodingOptions
from attnspace.data.progress import Watch
from attnspace.data.section import FileData
from attnspace.data.shards import column_classes, shards
from attnspace.data.split import Dataset
from attnspace.documents.families import fault
from attnspace.errors import DataError

__all__ = ["ParquetConfig", "load_parquet"]


def _whole_hub_path(path: str) -> str:
    if path.startswith(HUB) and HubPath.parse(path) is None:
        raise fault("is no path on the hub", allowed="hf://datasets/OWNER/NAME[@REVISION][/SUBFOLDER]")
    return path


Pattern = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\]+$")]


class ParquetConfig(DecodingOptions, FileData):
    """Images in parquet files: a column of structs {bytes, path} or of bytes, and a column of whole numbers.

    `train` and `test` are patterns of file names, looked for in the folder and below; several files are read in the
    order of their names. Class names are those of the files' metadata, else numbers.
    """

    kind: Literal["parquet"]
    path: Annotated[
        str,
        Field(min_length=1, max_length=4_000, description="A folder, a file, or hf://datasets/OWNER/NAME/SUBFOLDER."),
        AfterValidator(_whole_hub_path),
    ]
    train: Annotated[Pattern, Field(description="Names of the training files.")] = "train*.parquet"
    test: Annotated[
        Pattern | None, Field(description="Names of the test files; null: test_images are drawn from the others.")
    ] = "test*.parquet"
    image: Annotated[str, Field(min_length=1, description="The column of encoded images.")] = "img"
    label: Annotated[str, Field(min_length=1, description="The column of labels.")] = "label"
    validation: Annotated[
        Amount, Field(description="Training images that validate instead: how many, or a share below 1.")
    ] = 5_000

    def load(self, watch: Watch | None = None) -> Dataset:
        return load_parquet(self, watch)


def load_parquet(config: ParquetConfig, watch: Watch | None = None) -> Dataset:
    """Load the images of parquet files.

    Raises:
        DataError: there are no such files, or they cannot be used.
    """
    root = _root(config)
    if root.is_file():
        train_files, test_files = [root], None
    else:
        train_files = _found(config, root, config.train, "train")
        test_files = _found(config, root, config.test, "test") if config.test else None
    columns = (config.image, config.label)
    classes = column_classes(train_files, *columns)
    train = shards("training", config.path, train_files, columns, classes)
    test = shards("test", config.path, test_files, columns, classes) if test_files else None
    return assemble(config, train, test, (), watch)


def _root(config: ParquetConfig) -> Path:
    """The folder or file on this machine, downloaded first if it is on the hub.

    Raises:
        DataError: there is none, or it cannot be downloaded.
    """
    patterns = [config.train, *([config.test] if config.test else [])]
    holds = " and ".join(patterns)
    if found := HubPath.parse(config.path):
        try:
            return found.download(patterns)
        except DataError as cause:
            raise absent(cause.what, config.path, holds, hub=True) from cause
    root = Path(config.path).expanduser()
    if not root.exists():
        raise absent("there is no folder or file", config.path, holds, hub=True)
    return root


def _found(config: ParquetConfig, root: Path, pattern: str, field: Literal["train", "test"]) -> list[Path]:
    """The files that match a pattern, in the order of their names.

    Raises:
        DataError: there are none, or one of a numbered series is missing.
    """
    files = sorted(
        (path for path in root.rglob(pattern) if path.is_file() and not _is_hidden(path.relative_to(root))),
        key=lambda path: path.relative_to(root).as_posix(),
    )
    if not files:
        there = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.parquet"))
        raise DataError(
            f"no file in {config.path} or below fits {pattern}",
            at=(field,),
            allowed=f"patterns of what is there: {', '.join(there[:5])}" if there else None,
            remedy=None if there else f"the folder is to hold parquet files such as {pattern}",
        )
    _complete(files)
    return files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _complete(files: list[Path]) -> None:
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
