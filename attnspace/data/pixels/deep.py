"""Images of more than 8 bits, as Pillow gives them: their values are kept as they stand in the file.

Pillow has modes for one channel of 16 or 32 bits, and none for colours: of those it gives the higher byte. The lower
byte is what it gives when it takes the file's words for those of the other byte order.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFile

from attnspace.data.pixels.damaged import Damaged

__all__ = ["deep_bands"]

WORDS = re.compile(r"(?P<bands>[A-Za-z]+);16(?P<order>[BLN])")
"""Raw modes of colours of 16 bits, such as `RGB;16B`; `BGR;16` is another: 16 bits for all three."""

TRANSPARENT = "has transparent pixels of more than 8 bits"
READ = ("RGB", "RGBA", "RGBX", "RGBa")
OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def deep_bands(
    image: ImageFile.ImageFile, data: bytes, formats: tuple[str, ...], ground: float | None
) -> list[np.ndarray] | None:
    """The channels of an opened image that has more than 8 bits, one for grey and three for colour; None if it has not.

    Where it is transparent it is laid on a grey of the value `ground`, if that is known.

    Shape:
        -> (H, W) float32 each

    Raises:
        Damaged: it has more than 8 bits in a way that is not read.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return [_grey(image)]
    words = {found["bands"] for mode in _raw_modes(image) if (found := WORDS.fullmatch(mode))}
    if not words:
        _check_cut(image)
        return None
    if not words <= set(READ):
        raise Damaged(f"has more than 8 bits in a form that is not read ({', '.join(sorted(words))})")
    high = np.asarray(image).astype(np.float32)
    with Image.open(io.BytesIO(data), formats=formats) as again:
        again.tile = [(*tile[:3], _other_order(tile[3])) for tile in again.tile]  # type: ignore[misc]
        low = np.asarray(again)
    bands = np.moveaxis(256 * high + low, 2, 0)
    if len(bands) == 4 and bands[3].min() < 65_535:
        if ground is None:
            raise Damaged(f"{TRANSPARENT}: state the values of black and white as depth or range")
        opaque = bands[3] / np.float32(65_535)
        return [band * opaque + np.float32(ground) * (1 - opaque) for band in bands[:3]]
    return list(bands[:3])


def _grey(image: ImageFile.ImageFile) -> np.ndarray:
    if "transparency" in image.info:
        raise Damaged(f"{TRANSPARENT} of one colour, which are not read")
    most = _largest(image) or 65_535
    values = np.asarray(image).astype(np.float32)
    if not np.isfinite(values).all():
        raise Damaged("has pixels that are no finite numbers")
    return values if most == 65_535 else np.rint(values * (most / 65_535))  # Pillow has stretched them


def _check_cut(image: ImageFile.ImageFile) -> None:
    """Check that Pillow does not cut values down to 8 bits.

    Raises:
        Damaged: it does.
    """
    if _largest(image) > 255:
        raise Damaged("has colours of more than 8 bits in a form that is not read (PPM)")


def _largest(image: ImageFile.ImageFile) -> int:
    """The value that a PPM file has for white, which Pillow stretches to its own; 0 where it does not."""
    stretched = [args[1] for args in _arguments(image) if len(args) == 2] if image.format == "PPM" else []
    return next((value for value in stretched if isinstance(value, int)), 0)


def _arguments(image: ImageFile.ImageFile) -> Iterator[tuple[object, ...]]:
    """What each tile's decoder is told: the raw mode first."""
    for tile in image.tile:
        yield tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def _raw_modes(image: ImageFile.ImageFile) -> list[str]:
    return [str(args[0]) for args in _arguments(image) if args]


def _other_order(args: object) -> object:
    if isinstance(args, tuple):
        return (_other_order(args[0]), *args[1:])
    found = WORDS.fullmatch(str(args))
    return f"{found['bands']};16{OTHER[found['order']]}" if found else args
