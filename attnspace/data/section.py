"""The section `data` of a study: a family of kinds, each of which gives images and labels."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import Any, Self

from attnspace.data.hub import HUB
from attnspace.data.progress import Watch
from attnspace.data.split import Dataset
from attnspace.documents.sections import Kind
from attnspace.errors import DataError

__all__ = ["Data", "FileData"]


class Data(Kind, family=True):
    """The section `data` of a study: where its images come from."""

    default_kind = "digits"
    first = ("digits", "parquet", "image_folder", "import", "external")

    def located(self, folder: Path, override: Path | None = None) -> Self:
        """The same data with paths made absolute, so that they are found from any folder.

        Args:
            folder: the study's folder, from which relative paths start.
            override: the path of a local copy, to be used in place of the study's path.

        Raises:
            DataError: the data have no path that `override` could replace.
        """
        if override is None:
            return self
        raise DataError(
            f"data of kind {getattr(self, 'kind', '')} have no path that a local copy could stand for",
            at=("kind",),
            got=str(override),
            remedy="leave out --data, and unset ATTNSPACE_DATA",
        )

    @abstractmethod
    def load(self, watch: Watch | None = None) -> Dataset:
        """Load the training and validation images; relative paths start from the current folder.

        Args:
            watch: a function that is told how far reading and decoding have come.

        Raises:
            DataError: there are no such images, or they cannot be used.
        """


class FileData(Data):
    """Data with a `path`, which is seen from the study's folder unless it is on the hub."""

    def located(self, folder: Path, override: Path | None = None) -> Self:
        here: Any = self
        if override is not None:
            path = str(override.expanduser().absolute())
        elif here.path.startswith(HUB):
            return self
        else:
            path = os.path.normpath((folder / Path(here.path).expanduser()).absolute())
        return self.model_copy(update={"path": path})
