"""parquet: encoded images and their labels in columns, as image data sets lie on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from attnspace.data.assembly import Sources, assemble
from attnspace.data.class_naming import class_naming
from attnspace.data.columns import Columns
from attnspace.data.files.names import Split
from attnspace.data.hub import HUB, HubPath, absent
from attnspace.data.options import Amount, DecodingOptions, drawn_instead
from attnspace.data.parquet_files import USUAL, split_files
from attnspace.data.progress import Watch
from attnspace.data.section import FileData
from attnspace.data.shards import shards
from attnspace.data.split import Dataset
from attnspace.documents.families import fault
from attnspace.documents.validation import some_of
from attnspace.errors import DataError

__all__ = ["ParquetConfig", "load_parquet"]


def _whole_hub_path(path: str) -> str:
    if path.startswith(HUB) and HubPath.parse(path) is None:
        raise fault("is no path on the hub", allowed="hf://datasets/OWNER/NAME[@REVISION][/SUBFOLDER]")
    return path


def _below(pattern: str) -> str:
    parts = PurePosixPath(pattern).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in pattern:
        raise fault("is no pattern of files below path", allowed="such as train*.parquet or fine/train*.parquet")
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_below)]

PARTS: dict[Split, str] = {"train": "training", "val": "validation", "test": "test"}


class ParquetConfig(DecodingOptions, FileData):
    """Images in parquet files: a column of structs {bytes, path} or of bytes, and a column of whole numbers.

    `train`, `val` and `test` are patterns of file names, which may begin with folders, looked for in the folder and
    below; several files are read in the order of their names. The usual ones also stand for `Training-0.parquet`,
    `dev.parquet` or `test/0000.parquet`. Class names are those of the files' metadata, else numbers; files whose
    metadata order them in other ways are brought into the order of the training files.
    """

    kind: Literal["parquet"]
    path: Annotated[
        str,
        Field(min_length=1, max_length=4_000, description="A folder, a file, or hf://datasets/OWNER/NAME/SUBFOLDER."),
        AfterValidator(_whole_hub_path),
    ]
    train: Annotated[Pattern, Field(description="Names of the training files.")] = USUAL["train"]
    val: Annotated[
        Pattern | None,
        Field(description="Names of the validation files, if there are some; null: `validation` are drawn."),
    ] = USUAL["val"]
    test: Annotated[
        Pattern | None, Field(description="Names of the test files; null: test_images are drawn from the others.")
    ] = USUAL["test"]
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
    patterns: dict[Split, str | None] = {"train": config.train, "val": config.val, "test": config.test}
    files, unused = split_files(config.path, root, patterns)
    columns = Columns(config.image, config.label)
    naming = class_naming(files, columns)
    made = {split: shards(PARTS[split], config.path, paths, columns, naming) for split, paths in files.items()}
    notes = (*naming.notes, *unused)
    if "val" in files:
        notes += (drawn_instead(config, f"the images of {some_of(path.name for path in files['val'])}"),)
    return assemble(config, Sources(made["train"], made.get("val"), made.get("test")), notes, watch)


def _root(config: ParquetConfig) -> Path:
    """The folder or file on this machine, downloaded first if it is on the hub.

    Raises:
        DataError: there is none, or it cannot be downloaded.
    """
    patterns = [pattern for pattern in (config.train, config.test) if pattern]
    holds = " and ".join(patterns)
    if found := HubPath.parse(config.path):
        try:
            return found.download([*patterns, *_validation_patterns(config)])
        except DataError as cause:
            raise absent(cause.what, config.path, holds, hub=True) from cause
    root = Path(config.path).expanduser()
    if not root.exists():
        raise absent("there is no folder or file", config.path, holds, hub=True)
    return root


def _validation_patterns(config: ParquetConfig) -> list[str]:
    """Patterns of the validation files, which need not be there."""
    if config.val == USUAL["val"]:
        return [config.val, "dev*.parquet"]
    return [config.val] if config.val else []
