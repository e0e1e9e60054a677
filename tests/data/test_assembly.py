import io

import numpy as np
import pytest
import torch
from PIL import Image

from attnspace.data.augment import Augment, augment, draws
from attnspace.data.loader import DeviceData
from attnspace.errors import DataError
from tests.data.made_images import config, encoded, write_folder, write_parquet, write_set


def parquet(folder, **given):
    return config(kind="parquet", path=str(folder), **{"validation": 10, **given})


@pytest.mark.parametrize("labels", [[-1] * 10, [None] * 10, [2] * 10])
def test_a_test_split_without_usable_labels_is_refused_at_once(tmp_path, labels, cache):
    write_set(tmp_path)
    write_parquet(tmp_path / "test.parquet", [b"never decoded"] * 10, labels)
    for faulty in ("error", "skip"):
        with pytest.raises(DataError) as raised:
            parquet(tmp_path, faulty=faulty).load()
        assert str(raised.value).startswith("test: no test image has a label that can be used: test.parquet row 0 ")
        assert str(raised.value).endswith(
            "; name a test split with labels, or have test images drawn from the others: test: null"
        )
    assert not (cache / "images").exists()


def test_some_unusable_test_labels_are_found_before_training_unless_they_are_left_out(tmp_path):
    write_set(tmp_path)
    write_parquet(tmp_path / "test.parquet", [encoded(900 + i) for i in range(4)], [0, -1, 1, None])
    listed = (
        "2 of 4 test images cannot be used: test.parquet row 1 label -1 is negative; test.parquet row 3 has no label"
    )
    with pytest.raises(DataError) as raised:
        parquet(tmp_path).load()
    assert str(raised.value) == f"path: {listed}; mend them, or leave them out with faulty: skip"
    data = parquet(tmp_path, faulty="skip").load()
    assert data.test_counts == (1, 1)
    assert data.sealed_test().notes == (f"{listed}. They are left out",)


def test_images_of_one_class_are_refused(tmp_path):
    write_parquet(tmp_path / "train.parquet", [encoded(i) for i in range(20)], [1] * 20)
    with pytest.raises(DataError) as raised:
        parquet(tmp_path, test=None).load()
    assert str(raised.value) == (
        "path: all 20 training images are of one class, 1; allowed: images of two classes or more"
    )


def test_an_image_in_two_splits_or_under_two_labels_is_counted_and_said(tmp_path):
    write_folder(tmp_path / "train", ("a", "b"), count=8)
    write_folder(tmp_path / "test", ("a", "b"), count=3)  # begins with the same images
    write_folder(tmp_path / "val", ("a", "b"), count=2, seed=500)
    (tmp_path / "val" / "a" / "more.png").write_bytes((tmp_path / "train" / "a" / "007.png").read_bytes())
    (tmp_path / "test" / "b" / "more.png").write_bytes((tmp_path / "train" / "a" / "005.png").read_bytes())
    data = config(kind="image_folder", path=str(tmp_path)).load()
    assert data.notes[1:] == (
        "1 image stands under two labels, such as a and b",
        "1 of 5 validation images are training images too",
        "7 of 7 test images are training or validation images too",
    )


def test_images_of_drawn_splits_are_compared_too_and_broken_ones_are_not(tmp_path):
    write_folder(tmp_path / "set", count=10)
    for path in sorted((tmp_path / "set").rglob("*.png")):
        path.with_name(f"copy-{path.name}").write_bytes(path.read_bytes())
    for name in ("cat", "dog"):
        (tmp_path / "set" / name / "a.png").symlink_to(tmp_path / "nothing")
        (tmp_path / "set" / name / "b.png").write_bytes(b"?")
    chosen = config(kind="image_folder", path=str(tmp_path / "set"), validation=12, test_images=12, faulty="skip")
    data = chosen.load()
    splits = {"train": data.train, "validation": data.validation, "test": data.sealed_test()}
    found = {name: {image.numpy().tobytes() for image in split.images.read()} for name, split in splits.items()}
    again = sum(image.numpy().tobytes() in found["train"] for image in data.validation.images.read())
    assert f"{again} of 12 validation images are training images too" in data.notes
    assert not [note for note in data.notes if "labels" in note]


def test_the_same_rows_of_parquet_files_are_found_whatever_the_files(tmp_path, cache):
    images = write_set(tmp_path)
    write_parquet(tmp_path / "test.parquet", [*images[:4], encoded(900), None], [0, 1, 1, 0, 0, 1])
    data = parquet(tmp_path, faulty="skip").load()
    assert data.notes == (
        "2 images stand under two labels, such as 0 and 1",
        "4 of 6 test images are training or validation images too",
    )
    assert len(list((cache / "images").iterdir())) == 1, "no test image was decoded"


def test_images_of_a_function_are_compared_too():
    same = config(**{"import": "tests.data.functions:same_everywhere"}).load()
    assert same.notes[-1] == "6 of 6 test images are training or validation images too"


@pytest.mark.parametrize("rare", [1, 2, 3, 4, 5, 8])
def test_every_class_is_in_each_split_or_named(tmp_path, rare):
    write_folder(tmp_path / "set", ("common",), count=60)
    write_folder(tmp_path / "set", ("rare",), count=rare, seed=5_000)
    data = config(kind="image_folder", path=str(tmp_path / "set")).load()
    named = {note.split(" have no ")[1] for note in data.notes if " have no " in note}
    missing = {
        f"{name if name != 'train' else 'training'} image: rare" for name, row in data.counts.items() if not row[1]
    }
    assert named == missing
    assert data.counts["train"][1] >= 1
    assert (len(missing) == 0) == (rare >= 3)
    assert sum(row[1] for row in data.counts.values()) == rare
    assert sum(row[0] for row in data.counts.values()) == 60


def grey(values: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, form)
    return stream.getvalue()


def write_deep(folder, count=12, top=4_095, dtype=np.uint16, suffix=".png", side=6):
    """Noise of more than 8 bits: `count` images of each of two classes."""
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            values = draw.integers(0, top + 1, (side, side)).astype(dtype)
            (folder / name / f"{i:02d}{suffix}").write_bytes(grey(values, "PNG" if suffix == ".png" else "TIFF"))


def deep(folder, **given):
    return config(kind="image_folder", path=str(folder), channels=1, **{"validation": 4, "test_images": 4, **given})


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint16, ".png"), (np.int32, ".tif"), (np.float32, ".tif")])
def test_more_than_eight_bits_come_to_the_network_with_full_contrast(tmp_path, dtype, suffix):
    write_deep(tmp_path / "set", dtype=dtype, suffix=suffix)
    data = deep(tmp_path / "set").load()
    images = data.train.images.read()
    assert images.dtype == torch.float32
    assert len(images.unique()) > 256
    seen = DeviceData(data).normalise(images)
    assert seen.mean().item() == pytest.approx(0, abs=1e-5)
    assert seen.std().item() == pytest.approx(1, abs=1e-5)
    (note,) = [note for note in data.notes if "8 bits" in note]
    assert note.startswith("training images have more than 8 bits, of values from ")
    assert note.endswith("they are taken as they are; depth or range would say which values are black and white")


def test_a_stated_range_is_black_and_white_and_what_is_outside_is_cut_and_said(tmp_path):
    write_deep(tmp_path / "set")
    as_they_are = deep(tmp_path / "set").load()
    scaled = deep(tmp_path / "set", depth=12).load()
    torch.testing.assert_close(scaled.train.images.read(), as_they_are.train.images.read() / 4_095)
    same = deep(tmp_path / "set", range=[0, 4_095]).load()
    assert same.fingerprint == scaled.fingerprint != as_they_are.fingerprint
    cut = deep(tmp_path / "set", range=[0, 2_000]).load()
    torch.testing.assert_close(cut.train.images.read(), (as_they_are.train.images.read() / 2_000).clamp(0, 1))
    assert "training images with values outside of the stated ones, which are cut: 24" in cut.notes
    assert [note for note in scaled.notes if "0 becomes 0 and 4,095 1" in note]


def test_splits_of_more_than_eight_bits_are_of_one_scale(tmp_path):
    write_deep(tmp_path / "set" / "train")
    write_deep(tmp_path / "set" / "val", top=1_000, count=3)
    write_deep(tmp_path / "set" / "test", top=60_000, count=3)
    data = deep(tmp_path / "set").load()
    assert data.validation.images.read().max() <= 1_000
    assert data.sealed_test().images.read().max() > 4_095
    scaled = deep(tmp_path / "set", depth=12).load()
    assert scaled.sealed_test().images.read().max() == 1
    assert "test images with values outside of the stated ones, which are cut: 6" in scaled.sealed_test().notes


def test_eight_bits_among_more_need_a_stated_range(tmp_path):
    write_deep(tmp_path / "set")
    eight = np.full((6, 6), 51, dtype=np.uint8)
    (tmp_path / "set" / "cat" / "x.png").write_bytes(grey(eight))
    with pytest.raises(DataError) as raised:
        deep(tmp_path / "set").load()
    assert str(raised.value).startswith(
        "path: 1 of 25 training images cannot be used: cat/x.png has 8 bits, and others have more: "
        "state the values of those as depth or range"
    )
    data = deep(tmp_path / "set", depth=12).load()
    every = torch.cat([split.images.read() for split in (data.train, data.validation, data.sealed_test())])
    assert (every == 51 / 255).flatten(1).all(1).sum() == 1


def test_one_deep_image_among_many_of_eight_bits_is_found_wherever_it_is(tmp_path):
    write_folder(tmp_path, count=30)
    (tmp_path / "dog" / "zzz.png").write_bytes(grey(np.full((6, 6), 51, dtype=np.uint16)))
    with pytest.raises(DataError, match=r"^path: 60 of 61 training images cannot be used: .* has 8 bits, and others"):
        config(kind="image_folder", path=str(tmp_path)).load()


def test_test_images_of_more_bits_than_the_training_images_are_refused(tmp_path):
    write_folder(tmp_path / "train")
    write_deep(tmp_path / "test", count=2)
    with pytest.raises(DataError, match=r"^path: test images have more than 8 bits, training images 8; bring them"):
        config(kind="image_folder", path=str(tmp_path)).load().sealed_test()


def test_streamed_and_augmented_batches_keep_their_bits(tmp_path):
    write_deep(tmp_path / "set")
    data = deep(tmp_path / "set").load()
    resident, streamed = DeviceData(data), DeviceData(data, share=0.0)
    order = torch.randperm(16).view(2, 8)
    how = Augment(shift=1, flip=True, cutout=2)
    drawn = draws(how, 2, 8, (6, 6), torch.Generator().manual_seed(0))
    for step, (one, other) in enumerate(zip(resident.train.epoch(order), streamed.train.epoch(order), strict=True)):
        assert torch.equal(one[0], other[0])
        changed = augment(one[0], how, {name: values[step] for name, values in drawn.items()})
        assert changed.dtype == torch.float32
        assert set(changed.unique().tolist()) <= {0.0, *one[0].unique().tolist()}
    assert data.train.images.nbytes == 4 * 16 * 36


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depth": 12, "range": [0, 1]}, "data.range: says what depth says, too; leave one of them out"),
        ({"range": [5, 5]}, "data.range: is empty; allowed: [LOW, HIGH], the lower value first"),
        ({"depth": 8}, "data.depth: should be at least 9; got 8"),
    ],
)
def test_a_range_is_stated_once_and_holds_something(given, message):
    with pytest.raises(DataError) as raised:
        deep("somewhere", **given)
    assert str(raised.value) == message


def transparent(seed: int, alpha: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 4), dtype=np.uint8)
    noise[..., 3] = alpha
    return grey(noise)


def test_transparent_images_lie_on_a_stated_background(tmp_path):
    write_folder(tmp_path / "set")
    (tmp_path / "set" / "cat" / "x.png").write_bytes(transparent(1, alpha=0))
    given = {"kind": "image_folder", "path": str(tmp_path / "set"), "validation": 4, "test_images": 4}
    white, black = config(**given).load(), config(background=0, **given).load()
    assert "transparent training images, which are laid on background 255: 1" in white.notes
    assert "transparent training images, which are laid on background 0: 1" in black.notes
    assert white.fingerprint != black.fingerprint
    (tmp_path / "set" / "cat" / "x.png").write_bytes(transparent(1, alpha=255))
    white, black = config(**given).load(), config(background=0, **given).load()
    assert not [note for note in white.notes if "transparent" in note]
    assert white.fingerprint == black.fingerprint


def portable(seed: int) -> bytes:
    """An image whose bytes are the same whatever library is there."""
    return b"P6 4 3 255\n" + np.random.default_rng(seed).integers(0, 256, 36, dtype=np.uint8).tobytes()


@pytest.mark.parametrize(
    ("given", "earlier"),
    [
        ({}, "0b59ba5ea6f41600b2368b0fc8ff331e"),
        ({"size": 2}, "d8df04510c9733fb8a26e233ae11f819"),
        ({"channels": 1, "train_images": 6}, "dd70c8813a83e3f5b7e3b18a8de30d3f"),
        ({"depth": 12, "background": 0}, "0b59ba5ea6f41600b2368b0fc8ff331e"),
    ],
)
def test_images_of_eight_bits_have_the_fingerprint_of_earlier_versions(tmp_path, given, earlier):
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "set" / name / f"{i}.ppm").write_bytes(portable(100 * number + i))
    chosen = config(kind="image_folder", path=str(tmp_path / "set"), validation=4, test_images=4, **given)
    assert chosen.load().fingerprint == earlier


@pytest.mark.parametrize(("form", "suffix"), [("TIFF", "tif"), ("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png")])
def test_of_several_images_in_a_file_the_first_is_taken_and_this_is_said(tmp_path, form, suffix):
    write_folder(tmp_path / "set")
    frames = [Image.open(io.BytesIO(encoded(seed))) for seed in (70, 71, 72)]
    frames[0].save(
        tmp_path / "set" / "cat" / f"x.{suffix}", form, save_all=True, append_images=frames[1:], lossless=True
    )
    data = config(kind="image_folder", path=str(tmp_path / "set"), validation=4, test_images=4).load()
    assert "training files with several images, of which the first is taken: 1" in data.notes
