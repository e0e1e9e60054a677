"""Small encoded images, parquet files and folders for tests."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pydantic import BaseModel

from attnspace.data import Data
from attnspace.documents.validation import validate
from attnspace.errors import DataError


def encoded(seed: int, width: int = 6, height: int = 6, mode: str = "RGB", form: str = "PNG") -> bytes:
    """An image of noise."""
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray:
    """(3, H, W) of an encoded image."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)


def write_parquet(
    path: Path,
    images: list,
    labels: list,
    *,
    metadata: dict | None = None,
    plain: bool = False,
    names: tuple[str, str] = ("img", "label"),
) -> None:
    """Images and labels in the hub's layout, or images as plain bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if plain:
        column = pa.array(images, pa.binary())
    else:
        rows = [None if image is None else {"bytes": image, "path": None} for image in images]
        column = pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    table = pa.table({names[0]: column, names[1]: pa.array(labels, pa.int64())})
    pq.write_table(table.replace_schema_metadata(metadata or {}), path)


def hub_metadata(*classes: str, label: str = "label") -> dict:
    """Class names as the hub's library writes them."""
    return {"huggingface": json.dumps({"info": {"features": {label: {"names": list(classes), "_type": "ClassLabel"}}}})}


def write_set(folder: Path, train: int = 40, test: int = 8, classes: int = 2, **given) -> list[bytes]:
    """train.parquet and test.parquet, labels in turn; the training images."""
    images = [encoded(seed) for seed in range(train)]
    write_parquet(folder / "train.parquet", images, [i % classes for i in range(train)], **given)
    others = [encoded(1_000 + seed) for seed in range(test)]
    write_parquet(folder / "test.parquet", others, [i % classes for i in range(test)], **given)
    return images


def write_folder(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 10, seed: int = 0) -> None:
    """`count` images for each class."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            (folder / name / f"{i:03d}.png").write_bytes(encoded(seed + 1_000 * number + i))


class Section(BaseModel):
    data: Data


def config(**data) -> Data:
    """The `data` section of a study."""
    return validate(Section, {"data": data}, DataError).data
