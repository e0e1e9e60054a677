"""Thousands of files that are broken in their headers, their EXIF, their modes and their depths."""

import io
import struct
import warnings
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageFile

from attnspace.data.pixels.damaged import Damaged
from attnspace.data.pixels.decoding import FORMATS, Wanted, decode, quiet

COUNT = 2_000
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I", "F"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}
TAGS = (0x0112, 0x011A, 0x8769, 0x8825, 0x9204, 0xA005)
"""Orientation, resolution, two folders of tags, exposure bias, and one more folder."""


def whole(draw: np.random.Generator, form: str, mode: str) -> bytes:
    """A file that is as it should be, with some EXIF."""
    side = int(draw.integers(1, 20)), int(draw.integers(1, 20))
    noise = draw.integers(0, 256, (*side, 4), dtype=np.uint8)
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray((noise[..., 0].astype(kind) * 100).astype(kind))
    else:
        image = Image.fromarray(noise).convert("RGB").convert(mode) if mode != "RGBA" else Image.fromarray(noise)
    stream = io.BytesIO()
    given = {"exif": exif(draw)} if form in ("JPEG", "PNG", "WEBP") and draw.random() < 0.7 else {}
    if form == "TIFF" and draw.random() < 0.3 and mode != "YCbCr":
        given["compression"] = str(draw.choice(["tiff_lzw", "tiff_adobe_deflate", "packbits"]))
    image.save(stream, form, **given)
    return stream.getvalue()


def exif(draw: np.random.Generator) -> bytes:
    """EXIF with an orientation and some tags of any type and any value."""
    entries = [struct.pack("<HHIHH", 0x0112, 3, 1, draw.integers(0, 12), 0)]
    for tag in draw.choice(TAGS, draw.integers(0, 5)):
        entries.append(struct.pack("<HHI4s", tag, draw.integers(0, 14), draw.integers(0, 4), draw.bytes(4)))
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4) + draw.bytes(24)


def broken(draw: np.random.Generator, data: bytes) -> bytes:
    """A file with bytes changed, mostly near its head; cut, doubled or left as it is."""
    found = bytearray(data)
    how = draw.integers(0, 6)
    if how == 0:
        return bytes(found)
    if how == 1:
        return bytes(found[: draw.integers(0, len(found) + 1)])
    end = len(found) if how == 2 else min(len(found), 120)
    for at in draw.integers(0, end, draw.integers(1, 8)):
        found[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, int(draw.integers(0, 256))))
    at = int(draw.integers(0, len(found)))
    return bytes(found[:at] + found[:at][-9:] + found[at:]) if how == 5 else bytes(found)


@pytest.mark.parametrize("form", FORMATS)
def test_a_mutated_file_is_decoded_or_damaged_and_nothing_else(form):
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    draw = np.random.default_rng([len(form), ord(form[0])])
    ends: Counter[str] = Counter()
    with warnings.catch_warnings(record=True) as escaped:
        warnings.simplefilter("always")
        with quiet():
            for number in range(COUNT // len(FORMATS)):
                mode = MODES[form][number % len(MODES[form])]
                data = broken(draw, whole(draw, form, mode))
                wanted = Wanted(8 if number % 3 else None, (1, 3)[number % 2], span=(0, 4095) if number % 5 else None)
                try:
                    picture = decode(data, wanted)
                except Damaged as damaged:
                    ends["damaged" if str(damaged) else "damaged, and not said how"] += 1
                    continue
                ends["decoded"] += 1
                channels, height, width = picture.pixels.shape
                assert channels == wanted.channels
                assert (height, width) == (8, 8) or wanted.size is None
                assert picture.pixels.dtype == (np.uint8 if picture.values is None else np.float32)
                assert np.isfinite(picture.pixels).all()
    assert [str(warning.message) for warning in escaped] == []
    assert ends.keys() == {"damaged", "decoded"}
    assert min(ends.values()) > 20, ends
