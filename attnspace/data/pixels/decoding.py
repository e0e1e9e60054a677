"""One encoded image as numbers."""

from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from attnspace.data.pixels.damaged import Damaged
from attnspace.data.pixels.deep import deep_bands
from attnspace.errors import DataError

__all__ = ["FORMATS", "MAX_PIXELS", "Picture", "Wanted", "decode", "quiet"]

FORMATS = (
    *(("AVIF",) if importlib.util.find_spec("PIL.AvifImagePlugin") else ()),
    *("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"),
)
"""The formats that are decoded. Others, such as EPS, would start programs."""

MAX_PIXELS = 89_478_485
"""The most pixels an image may have; a larger one is taken for a decompression bomb, as by Pillow."""

NEEDED = 32 * MAX_PIXELS
"""Bytes of memory that suffice for any image: who asks for more than these is damaged."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets an image upright, by its orientation in EXIF."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey, of ITU-R 601, as Pillow has them."""


@dataclass(frozen=True)
class Wanted:
    """How images become numbers.

    Attributes:
        size: H and W; the shorter side is resized and the centre cut out. None leaves images as they are.
        channels: 3 for colour, 1 for grey.
        background: the grey, 0 to 255, on which transparent images are laid.
        span: the values that become 0 and 1 of images with more than 8 bits; None leaves them as they are.
        deep: whether images of 8 bits stand among others, so that they become numbers from 0 to 1, too.
    """

    size: int | None = None
    channels: int = 3
    background: int = 255
    span: tuple[float, float] | None = None
    deep: bool = False

    @property
    def ground(self) -> float | None:
        """The value of the background in images with more than 8 bits; None where it is not known."""
        return None if self.span is None else self.span[0] + self.background / 255 * (self.span[1] - self.span[0])


@dataclass(frozen=True)
class Picture:
    """An image as numbers.

    Attributes:
        pixels: (C, H, W) uint8; float32 where the image, or the set that it stands in, has more than 8 bits.
        values: the lowest and the highest value in the file of an image that has more than 8 bits.
        blended: whether it was laid on the background.
        several: whether the file holds further images, of an animation or a stack: this is the first.
    """

    pixels: np.ndarray
    values: tuple[float, float] | None = None
    blended: bool = False
    several: bool = False


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Pillow says of odd metadata. To be entered by one thread, before the others decode."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `decode` refuses them
        yield


def decode(data: bytes, wanted: Wanted) -> Picture:
    """Decode an image, upright, in colour or grey; with a `size`, resize its shorter side and cut out its centre.

    Raises:
        Damaged: the image cannot be decoded.
        DataError: memory does not suffice for any image.
    """
    if not data:
        raise Damaged("is empty")
    with _faults():
        bands, values, blended, several = _opened(data, wanted)
    if wanted.size is not None:
        bands = [_resized(band, wanted.size) for band in bands]
    pixels = np.concatenate([np.atleast_3d(np.asarray(band)) for band in bands], axis=2).transpose(2, 0, 1)
    if values is not None:
        pixels = _of_channels(pixels, wanted.channels)
        if wanted.span is not None:
            low, high = wanted.span
            pixels = ((pixels - np.float32(low)) / np.float32(high - low)).clip(0, 1)
    elif wanted.deep:
        if wanted.span is None:
            raise Damaged("has 8 bits, and others have more: state the values of those as depth or range")
        pixels = pixels / np.float32(255)
    return Picture(np.ascontiguousarray(pixels), values, blended, several)


def _opened(data: bytes, wanted: Wanted) -> tuple[list[Image.Image], tuple[float, float] | None, bool, bool]:
    """What Pillow reads of an image, upright: colour or grey of 8 bits, or a band for each channel of more bits.

    Of these, the lowest and the highest value is given, too; of the others, whether they were transparent; of all,
    whether there are further images in the file.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Damaged(f"is {image.width:,} x {image.height:,} pixels large, more than {MAX_PIXELS:,} in all")
        deep = deep_bands(image, data, FORMATS, wanted.ground)
        image.load()
        turn = _turn(image)
        if deep is not None:
            bands = [Image.fromarray(band) for band in deep]
            values = min(float(band.min()) for band in deep), max(float(band.max()) for band in deep)
            return [band.transpose(turn) if turn is not None else band for band in bands], values, False, _more(image)
        opaque = _on_background(image, wanted.background)
        flat = (opaque or image).convert("RGB" if wanted.channels == 3 else "L")
        return [flat.transpose(turn) if turn is not None else flat], None, opaque is not None, _more(image)


@contextmanager
def _faults() -> Iterator[None]:
    """Whatever Pillow raises at a file is the file's fault; of what it may raise there is no list."""
    try:
        yield
    except Damaged:
        raise
    except UnidentifiedImageError:
        raise Damaged(f"is no image of the formats {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise Damaged(f"has more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        if psutil.virtual_memory().available > NEEDED:
            raise Damaged("needs more memory than an image may") from None
        raise DataError("there is not enough memory to decode images", remedy="free some, and start again") from None
    except Exception as cause:
        raise Damaged(f"cannot be decoded: {str(cause) or type(cause).__name__}") from None


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What sets an image upright. Nothing else in EXIF is read; where it is broken, the image is taken as it lies."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # of what Pillow may raise at broken EXIF there is no list
        return None


def _more(image: ImageFile.ImageFile) -> bool:
    """Whether a file holds further images; those of a camera's JPEG are previews and the like."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception:  # they are broken, and none of them is read
        return False


def _on_background(image: Image.Image, background: int) -> Image.Image | None:
    """The image laid on a grey background where it is transparent; None if it is so nowhere."""
    if "transparency" not in image.info and not {"A", "a"} & set(image.getbands()):
        return None
    layered = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    if layered.getchannel("A").getextrema()[0] == 255:
        return None
    ground = Image.new("RGBA", layered.size, (background, background, background, 255))
    return Image.alpha_composite(ground, layered)


def _of_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    if len(pixels) == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=0)
    return np.tensordot(np.array(LUMA, dtype=np.float32), pixels, axes=1)[None]


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
