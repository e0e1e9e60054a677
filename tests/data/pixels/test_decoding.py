import contextlib
import io
import struct
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from attnspace.data.pixels import decoding
from attnspace.data.pixels.damaged import Damaged
from attnspace.data.pixels.decoding import Wanted, quiet
from attnspace.data.pixels.decoding import decode as decode_as
from attnspace.errors import DataError
from tests.data.made_images import encoded, pixels


def decode(data: bytes, size: int | None, channels: int, **wanted) -> np.ndarray:
    return decode_as(data, Wanted(size, channels, **wanted)).pixels


def saved(image: Image.Image, form: str = "PNG", **given) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **given)
    return stream.getvalue()


def ramp(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack((rows, columns, rows + columns), -1).astype(np.uint8))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG", "GIF"])
def test_every_format_is_decoded_as_pillow_does(form):
    data = encoded(3, width=7, height=5, form=form)
    assert np.array_equal(decode(data, None, 3), pixels(data))


def test_grey_is_one_channel_and_grey_images_may_be_asked_for_in_colour():
    data = encoded(4, mode="L")
    assert decode(data, None, 1).shape == (1, 6, 6)
    assert np.array_equal(decode(data, None, 3), np.repeat(decode(data, None, 1), 3, 0))


def test_the_shorter_side_is_resized_and_the_centre_cut_out():
    image = ramp(30, 20)
    wanted = np.asarray(image.resize((15, 10), Image.Resampling.BILINEAR).crop((2, 0, 12, 10)))
    assert np.array_equal(decode(saved(image), 10, 3), wanted.transpose(2, 0, 1))


def test_an_image_of_the_right_size_is_left_alone():
    data = encoded(5)
    assert np.array_equal(decode(data, 6, 3), pixels(data))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 400), (400, 1), (3, 2), (50_000, 2)])
def test_any_shape_of_image_comes_out_square(width, height):
    assert decode(saved(Image.new("RGB", (width, height))), 8, 3).shape == (3, 8, 8)


def test_an_image_that_lies_on_its_side_is_set_upright():
    image = ramp(8, 4)
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned by a quarter
    turned = decode(saved(image, exif=exif), None, 3)
    assert np.array_equal(turned, np.asarray(image.rotate(-90, expand=True)).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "is empty"),
        (b"GIF89a", "is no image of the formats AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "is no image of the formats AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP",
        ),
        (encoded(6)[:-40], "cannot be decoded: image file is truncated"),
    ],
)
def test_what_cannot_be_decoded_says_why(data, cause):
    with pytest.raises(Damaged) as raised:
        decode(data, None, 3)
    assert str(raised.value) == cause


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG", "GIF"])
def test_broken_bytes_are_damaged_images_never_other_errors(form):
    good = encoded(7, width=20, height=20, form=form)
    draw = np.random.default_rng(0)
    with quiet():
        for _ in range(200):
            data = bytearray(good[: draw.integers(1, len(good) + 1)])
            for at in draw.integers(0, len(data), 6):
                data[at] = draw.integers(0, 256)
            with contextlib.suppress(Damaged):
                assert decode(bytes(data), 8, 3).shape == (3, 8, 8)


def png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits with any number of channels, which Pillow does not write."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)), (b"IDAT", zlib.compress(lines)))
    chunks = (
        struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(values: np.ndarray, order: str) -> bytes:
    """A TIFF of 16 bits in colour, in one byte order or the other."""
    height, width, channels = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    depths = 8 + 2 + 12 * 9 + 4
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, depths), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, depths + 2 * channels), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(pixels))]
    found = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(tags))
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        found += struct.pack(f"{order}HHI", tag, kind, count)
        found += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    return found + bytes(4) + struct.pack(f"{order}H", 16) * channels + pixels


DEEP = np.random.default_rng(0).integers(0, 65_536, (5, 7, 3)).astype(np.uint16)
GREY = DEEP[..., 0]
OPAQUE = np.concatenate((DEEP, np.full((5, 7, 1), 65_535, np.uint16)), axis=2)
PGM = b"P5 7 5 4095\n" + (GREY % 4_096).astype(">u2").tobytes()


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (png(DEEP), DEEP),
        (png(OPAQUE), DEEP),
        (tiff(DEEP, "<"), DEEP),
        (tiff(DEEP, ">"), DEEP),
        (png(DEEP[..., :1]), GREY),
        (saved(Image.fromarray(GREY), "TIFF"), GREY),
        (saved(Image.fromarray(GREY), "TIFF", compression="tiff_lzw"), GREY),
        (saved(Image.fromarray(GREY.astype(np.int32) - 9_000), "TIFF"), GREY.astype(np.int32) - 9_000),
        (saved(Image.fromarray(GREY / np.float32(7)), "TIFF"), GREY / np.float32(7)),
        (b"P5 7 5 65535\n" + GREY.astype(">u2").tobytes(), GREY),
        (PGM, GREY % 4_096),
    ],
    ids=["png", "opaque", "little", "big", "grey", "tiff", "lzw", "int", "float", "pgm", "pgm-of-12-bits"],
)
def test_more_than_eight_bits_are_read_to_the_last(data, values):
    picture = decode_as(data, Wanted(channels=3 if values.ndim == 3 else 1))
    assert picture.pixels.dtype == np.float32
    expected = values.astype(np.float32)
    assert np.array_equal(picture.pixels, expected.transpose(2, 0, 1) if values.ndim == 3 else expected[None])
    assert picture.values == (expected.min(), expected.max())


def test_the_lowest_four_bits_of_sixteen_keep_their_contrast():
    low = np.tile(np.arange(16, dtype=np.uint16), (4, 1))
    assert decode(saved(Image.fromarray(low)), None, 1)[0].tolist() == low.tolist()
    scaled = decode(saved(Image.fromarray(low)), None, 1, span=(0, 10))
    assert scaled[0, 0].tolist() == pytest.approx([min(1, i / 10) for i in range(16)])


def test_deep_images_are_resized_turned_and_greyed_like_others():
    image = np.repeat(ramp_of(30, 20)[..., None], 3, 2)
    eight = decode(saved(Image.fromarray(image.astype(np.uint8))), 10, 3)
    deep = decode(png(image.astype(np.uint16) * 256), 10, 3)
    assert np.abs(deep / 256 - eight).max() <= 1  # bytes are rounded in both directions
    exif = Image.Exif()
    exif[274] = 6
    grey = image[..., 0].astype(np.uint16)
    turned = decode(saved(Image.fromarray(grey), exif=exif), None, 1)
    assert np.array_equal(turned[0], np.rot90(grey, -1))
    assert np.allclose(decode(png(image.astype(np.uint16)), None, 1)[0], grey, atol=1e-2)
    assert np.array_equal(decode(saved(Image.fromarray(grey)), None, 3), np.repeat(grey[None], 3, 0))


def ramp_of(width: int, height: int) -> np.ndarray:
    return np.add.outer(np.arange(height), np.arange(width))


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (png(DEEP[..., :2]), "has more than 8 bits in a form that is not read (LA)"),
        (
            png(np.dstack((DEEP, GREY))),
            "has transparent pixels of more than 8 bits: state the values of black and white as depth or range",
        ),
        (
            saved(Image.fromarray(GREY), transparency=5),
            "has transparent pixels of more than 8 bits of one colour, which are not read",
        ),
        (b"P6 2 1 4095\n" + bytes(12), "has colours of more than 8 bits in a form that is not read (PPM)"),
        (
            saved(Image.fromarray(np.array([[0, np.nan]], dtype=np.float32)), "TIFF"),
            "has pixels that are no finite numbers",
        ),
    ],
)
def test_more_than_eight_bits_are_never_cut_without_a_word(data, cause):
    with pytest.raises(Damaged) as raised:
        decode(data, None, 3)
    assert str(raised.value) == cause


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_show_the_background(mode):
    image = Image.fromarray(np.dstack((np.full((2, 2, 3), 100, np.uint8), np.array([[0, 255], [0, 255]], np.uint8))))
    if mode == "P":
        image, given = Image.fromarray(np.array([[0, 1], [0, 1]], np.uint8), "L").convert("P"), {"transparency": 0}
        image.putpalette([7, 7, 7, 100, 100, 100])
    else:
        image, given = image.convert(mode), {}
    picture = decode_as(saved(image, **given), Wanted(background=30))
    assert picture.blended
    assert picture.pixels[:, 0].tolist() == [[30, 100]] * 3


def test_half_transparent_pixels_are_mixed_with_the_background():
    image = Image.new("RGBA", (1, 1), (200, 100, 0, 51))
    assert decode(saved(image), None, 3, background=255)[:, 0, 0].tolist() == [244, 224, 204]


def test_transparent_pixels_of_more_than_eight_bits_show_the_background_of_a_stated_range():
    values = np.array([[[4_095, 0, 0, 65_535], [4_095, 0, 0, 0]]], dtype=np.uint16)
    found = decode(png(values), None, 3, span=(0, 4_095), background=51)
    assert found[:, 0].T.tolist() == [pytest.approx([1, 0, 0]), pytest.approx([0.2, 0.2, 0.2])]


def with_exif(tag: int, kind: int, value: bytes, orientation: int = 6) -> bytes:
    """A JPEG of 24 x 16 pixels whose EXIF holds an orientation and one further tag."""
    jpeg = saved(ramp(24, 16), "JPEG")
    head = b"II*\0" + struct.pack("<IH", 8, 2) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    head += struct.pack("<HHI", tag, kind, 1)
    exif = b"Exif\0\0" + head + struct.pack("<I", len(head) + 8) + bytes(4) + value
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (10, struct.pack("<ii", -1, 0)),
        (5, struct.pack("<II", 1, 0)),
        (10, struct.pack("<ii", 5, -2)),
        (13, b""),
        (2, b"\xff"),
    ],
)
@pytest.mark.parametrize("tag", [0x011A, 0x9204, 0x8769])
def test_nothing_of_exif_matters_but_the_orientation(tag, kind, value, orientation):
    with quiet():
        turned = decode(with_exif(tag, kind, value, orientation), None, 3)
    plain = decode(saved(ramp(24, 16), "JPEG"), None, 3)
    mirrored, quarters = ORIENTATIONS.get(orientation, (False, 0))
    assert np.array_equal(turned, np.rot90(plain[:, :, ::-1] if mirrored else plain, quarters, axes=(1, 2)))


ORIENTATIONS = {2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1)}
"""Whether an image is mirrored from left to right, and by how many quarters it is then turned to the left."""


@pytest.mark.parametrize("raised", [struct.error("odd"), RuntimeError(), RecursionError("deep"), AttributeError("no")])
def test_whatever_pillow_raises_the_image_is_damaged(monkeypatch, raised):
    def failing(*given, **named):
        raise raised

    monkeypatch.setattr(decoding.Image, "open", failing)
    with pytest.raises(Damaged, match=f"^cannot be decoded: {str(raised) or type(raised).__name__}$"):
        decode(b"?", None, 3)


def test_a_stop_by_the_user_is_no_damage(monkeypatch):
    def stopped(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding.Image, "open", stopped)
    with pytest.raises(KeyboardInterrupt):
        decode(b"?", None, 3)


@pytest.mark.parametrize(("free", "error"), [(2**40, Damaged), (2**20, DataError)])
def test_memory_that_is_short_is_no_fault_of_an_image(monkeypatch, free, error):
    def hungry(*given, **named):
        raise MemoryError

    monkeypatch.setattr(decoding.Image, "open", hungry)
    monkeypatch.setattr(decoding.psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    with pytest.raises(error):
        decode(b"?", None, 3)
