"""One encoded image as numbers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["Damaged", "FORMATS", "MAX_PIXELS", "decode", "quiet"]

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The formats that are decoded. Others, such as EPS, would start programs."""

MAX_PIXELS = 89_478_485
"""The most pixels an image may have; a larger one is taken for a decompression bomb, as by Pillow."""


class Damaged(Exception):
    """An image that cannot be used, and why."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Pillow says of odd metadata. To be entered by one thread, before the others decode."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `decode` refuses them
        yield


def decode(data: bytes, size: int | None, channels: int) -> np.ndarray:
    """Decode an image, upright, in colour or grey; with a `size`, resize its shorter side and cut out its centre.

    Shape:
        encoded bytes -> (channels, size, size) uint8, or (channels, H, W) without a size

    Raises:
        Damaged: the image cannot be decoded.
    """
    if not data:
        raise Damaged("is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Damaged(_bomb(image.width, image.height))
            pixels = _pixels(ImageOps.exif_transpose(image), size, channels)
    except UnidentifiedImageError:
        raise Damaged(f"is no image of the formats {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise Damaged(f"has more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise Damaged("needs more memory than there is") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, ArithmeticError) as cause:
        # the ways in which Pillow's decoders fail on broken bytes
        raise Damaged(f"cannot be decoded: {cause}") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _bomb(width: int, height: int) -> str:
    return f"is {width:,} x {height:,} pixels large, more than {MAX_PIXELS:,} in all"


def _pixels(image: Image.Image, size: int | None, channels: int) -> np.ndarray:
    """The pixels of an opened image, resized and cropped if there is a `size`: (H, W, channels) uint8."""
    if image.mode in ("I", "F"):
        raise Damaged(f"has pixels of mode {image.mode}, which 8 bits do not hold")
    if image.mode.startswith("I;16"):  # Pillow's own conversion would cut values above 255
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    image = image.convert("RGB" if channels == 3 else "L")
    if size is not None:
        image = _resized(image, size)
    return np.asarray(image).reshape(image.height, image.width, channels)


def _resized(image: Image.Image, size: int) -> Image.Image:
    short = min(image.size)
    if max(image.size) > 2 * short:  # the far ends of a strip are cut off anyway, and could be of any length
        image = _centre(image, min(image.width, 2 * short), min(image.height, 2 * short))
    width, height = (max(size, round(side * size / short)) for side in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BILINEAR)  # with antialiasing, when it shrinks
    return _centre(image, size, size)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
