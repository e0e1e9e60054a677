"""Images and labels for a study.

`load` gives training and validation images; test images are sealed in it, and a search never asks for them.

stored         images in a file, read when they are asked for
split          what every source gives: splits of uint8 images
digits         handwritten digits, which scikit-learn carries
external       no images, for training code that has its own
hub            data sets of the Hugging Face hub
decoding       one encoded image as numbers
moments        mean and standard deviation of pixels
progress       how far long work on data has come
source         what an encoded source gives
decoder        a whole source decoded into files
folders        the cache folder, and folders that appear whole
digests        what a source holds, as one number
cache          decoded images, kept
options        how images are decoded and split
drawing        splits drawn class by class
assembly       a dataset from decoded sources
image_folder   a folder of images for each class
imported       images from a function of the user's
shards         parquet files as a source of encoded images
parquet        encoded images in columns of parquet files
augment        random changes to training images
loader         batches of a dataset on a device
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Tag

from attnspace.data.digits import DigitsConfig, load_digits
from attnspace.data.external import ExternalConfig, load_external
from attnspace.data.hub import HUB
from attnspace.data.image_folder import ImageFolderConfig, load_image_folder
from attnspace.data.imported import ImportedConfig, load_imported
from attnspace.data.parquet import ParquetConfig, load_parquet
from attnspace.data.progress import Watch, progress_bar
from attnspace.data.split import Dataset, Split
from attnspace.documents.sections import by_kind
from attnspace.errors import DataError

__all__ = [
    "DataConfig",
    "Dataset",
    "DigitsConfig",
    "ExternalConfig",
    "ImageFolderConfig",
    "ImportedConfig",
    "ParquetConfig",
    "Split",
    "Watch",
    "load",
    "located",
    "progress_bar",
]


DataConfig = Annotated[
    Annotated[DigitsConfig, Tag("digits")]
    | Annotated[ParquetConfig, Tag("parquet")]
    | Annotated[ImageFolderConfig, Tag("image_folder")]
    | Annotated[ImportedConfig, Tag("import")]
    | Annotated[ExternalConfig, Tag("external")],
    by_kind("digits"),
]
"""What a study's `data` may be."""


def load(config: DataConfig, watch: Watch | None = None) -> Dataset:
    """Training and validation images.

    Args:
        config: which, its paths seen from where the process is.
        watch: is told how far reading and decoding have come.

    Raises:
        DataError: there are no such images, or they cannot be used.
    """
    match config:
        case DigitsConfig():
            return load_digits(config)
        case ParquetConfig():
            return load_parquet(config, watch)
        case ImageFolderConfig():
            return load_image_folder(config, watch)
        case ImportedConfig():
            return load_imported(config)
        case ExternalConfig():
            return load_external(config)


def located(config: DataConfig, folder: Path, override: Path | None = None) -> DataConfig:
    """The same data, found from anywhere.

    Args:
        config: paths in it are seen from `folder`.
        folder: that of the study.
        override: a local copy, which stands for the path of the study.

    Raises:
        DataError: there is no path that `override` could stand for.
    """
    if isinstance(config, ParquetConfig | ImageFolderConfig):
        if override is not None:
            path = str(override.expanduser().absolute())
        elif config.path.startswith(HUB):
            return config
        else:
            path = os.path.normpath((folder / Path(config.path).expanduser()).absolute())
        return config.model_copy(update={"path": path})
    if override is not None:
        raise DataError(
            f"data of kind {config.kind} have no path that a local copy could stand for",
            at=("kind",),
            got=str(override),
            remedy="leave out --data, and unset ATTNSPACE_DATA",
        )
    return config.located(folder) if isinstance(config, ImportedConfig) else config
