import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from attnspace.data.pixels.damaged import Damaged
from attnspace.data.pixels.decoding import Wanted, quiet
from attnspace.data.pixels.decoding import decode as decode_as
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
