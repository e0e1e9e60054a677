import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from attnspace.data.pixels.moments import mean_and_std, moments
from attnspace.errors import DataError
from tests.data.made_images import config, encoded, hub_metadata, pixels, write_parquet, write_set


def parquet(folder, **given):
    return config(kind="parquet", path=str(folder), **{"validation": 10, **given})


def keys(split) -> list[bytes]:
    return [image.numpy().tobytes() for image in split.images.read()]


@pytest.mark.parametrize("plain", [False, True])
def test_images_and_labels_are_those_of_the_files(tmp_path, plain):
    images = write_set(tmp_path, plain=plain)
    data = parquet(tmp_path).load()
    assert data.input_shape == (3, 6, 6)
    assert (len(data.train), len(data.validation)) == (30, 10)
    wanted = {pixels(image).tobytes(): i % 2 for i, image in enumerate(images)}
    for split in (data.train, data.validation):
        assert [wanted[key] for key in keys(split)] == split.labels.tolist()
    assert set(keys(data.train)) | set(keys(data.validation)) == set(wanted)
    assert not set(keys(data.train)) & set(keys(data.validation))
    test = parquet(tmp_path).load().sealed_test()
    assert keys(test) == [pixels(encoded(1_000 + i)).tobytes() for i in range(8)]
    assert test.labels.tolist() == [0, 1] * 4


@pytest.mark.parametrize(
    ("metadata", "classes"),
    [
        (hub_metadata("cat", "dog"), ("cat", "dog")),
        ({"class_names": "cat, dog"}, ("cat", "dog")),
        ({}, ("0", "1")),
        ({"huggingface": "{"}, ("0", "1")),
        ({"huggingface": '{"info": {"features": []}}'}, ("0", "1")),
    ],
)
def test_classes_are_named_by_the_metadata_or_numbered(tmp_path, metadata, classes):
    write_set(tmp_path, metadata=metadata)
    assert parquet(tmp_path).load().classes == classes


def test_normalisation_is_that_of_the_training_images(tmp_path):
    write_set(tmp_path)
    data = parquet(tmp_path, train_images=20).load()
    training = data.train.images.read().double()
    torch.testing.assert_close(data.mean, training.mean((0, 2, 3)).float())
    torch.testing.assert_close(data.std, training.std((0, 2, 3)).float())


def test_a_channel_that_is_the_same_everywhere_has_no_deviation_of_zero():
    mean, std = mean_and_std(*moments(np.full((3, 1, 2, 2), 7, dtype=np.uint8)), 4)
    assert (mean.item(), std.item()) == (7.0, 1.0)


def test_shards_are_read_in_the_order_of_their_names_from_folders_below(tmp_path):
    images = [encoded(i) for i in range(12)]
    for number in (2, 0, 1):
        part = images[number * 4 : number * 4 + 4]
        write_parquet(tmp_path / "plain_text" / f"train-{number:05d}-of-00003.parquet", part, [0, 1, 0, 1])
    write_parquet(tmp_path / "plain_text" / "test-00000-of-00001.parquet", images[:4], [0, 1, 0, 1])
    data = parquet(tmp_path, validation=2).load()
    in_order = [pixels(image).tobytes() for image in images]
    assert sorted(keys(data.train) + keys(data.validation)) == sorted(in_order)
    positions = [in_order.index(key) for key in keys(data.train)]
    assert positions == sorted(positions)


def test_a_missing_shard_is_named(tmp_path):
    for number in (0, 2):
        write_parquet(tmp_path / f"train-{number:05d}-of-00003.parquet", [encoded(number)] * 4, [0, 1, 0, 1])
    with pytest.raises(DataError) as raised:
        parquet(tmp_path, test=None).load()
    assert str(raised.value) == (
        f"path: 1 of 3 files are missing from {tmp_path.name}, such as train-00001-of-00003; "
        "complete the copy of the data set"
    )


def test_without_test_files_test_images_are_drawn_and_this_is_said(tmp_path):
    write_set(tmp_path)
    chosen = parquet(tmp_path, test=None, test_images=6)
    data, test = chosen.load(), chosen.load().sealed_test()
    assert data.notes == (
        "these files are not used: test.parquet",
        "there is no test split: 6 of the 40 images were drawn for it, class by class",
    )
    assert (len(data.train), len(data.validation), len(test)) == (24, 10, 6)
    assert len({*keys(data.train), *keys(data.validation), *keys(test)}) == 40
    assert test.labels.sum() == 3


def test_a_single_file_is_split_into_all_three(tmp_path):
    write_set(tmp_path)
    data = parquet(tmp_path / "train.parquet").load()
    assert (len(data.train), len(data.validation), len(data.sealed_test())) == (26, 10, 4)


def test_the_same_seed_draws_the_same_and_train_images_leave_validation_alone(tmp_path):
    write_set(tmp_path)
    one, few, other = (
        parquet(tmp_path).load(),
        parquet(tmp_path, train_images=8).load(),
        parquet(tmp_path, split_seed=1).load(),
    )
    assert keys(one.validation) == keys(few.validation) != keys(other.validation)
    assert set(keys(few.train)) < set(keys(one.train))
    assert few.train.labels.sum() == 4
    assert parquet(tmp_path, validation=0.25).load().validation.labels.tolist() == one.validation.labels.tolist()


def test_the_fingerprint_is_of_content_and_settings_never_of_the_place(tmp_path):
    write_set(tmp_path / "here")
    write_set(tmp_path / "there")
    here = parquet(tmp_path / "here").load().fingerprint
    assert parquet(tmp_path / "there").load().fingerprint == here
    changed = [
        {"validation": 12},
        {"split_seed": 1},
        {"train_images": 20},
        {"size": 4},
        {"channels": 1},
        {"test": None},
    ]
    assert len({here, *(parquet(tmp_path / "here", **change).load().fingerprint for change in changed)}) == 7
    write_set(tmp_path / "there", train=42)
    assert parquet(tmp_path / "there").load().fingerprint != here


def test_test_images_are_decoded_only_when_they_are_asked_for(tmp_path, cache):
    write_set(tmp_path)
    data = parquet(tmp_path).load()
    assert len(list((cache / "images").iterdir())) == 1
    data.sealed_test()
    assert len(list((cache / "images").iterdir())) == 2


@pytest.fixture
def damaged(tmp_path):
    images: list = [encoded(i) for i in range(40)]
    labels: list = [i % 2 for i in range(40)]
    images[3] = images[3][:-40]
    images[4] = b"no image"
    images[5], images[6] = None, b""
    labels[7], labels[8], labels[9] = None, -1, 2
    write_set(tmp_path, metadata=hub_metadata("cat", "dog"))
    write_parquet(tmp_path / "train.parquet", images, labels, metadata=hub_metadata("cat", "dog"))
    return tmp_path


LISTED = (
    "7 of 40 training images cannot be used: train.parquet row 3 cannot be decoded: image file is truncated; "
    "train.parquet row 4 is no image of the formats AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP; "
    "train.parquet row 5 has no image; train.parquet row 6 is empty; train.parquet row 7 has no label; "
    "train.parquet row 8 label -1 is negative; train.parquet row 9 label 2 is beyond the 2 classes"
)


@pytest.mark.parametrize("again", [False, True])
def test_all_faulty_rows_are_counted_and_named(damaged, again):
    for _ in range(1 + again):
        with pytest.raises(DataError) as raised:
            parquet(damaged).load()
    assert str(raised.value) == f"path: {LISTED}; mend them, or leave them out with faulty: skip"


def test_faulty_rows_are_left_out_when_told_so_and_this_is_said(damaged):
    data = parquet(damaged, faulty="skip").load()
    assert len(data.train) + len(data.validation) == 33
    assert data.notes == (f"{LISTED}. They are left out",)


def test_only_ten_faulty_rows_are_named(tmp_path):
    write_set(tmp_path)
    write_parquet(tmp_path / "train.parquet", [encoded(0)] * 30 + [b"?"] * 12, [0, 1] * 21)
    with pytest.raises(DataError, match=r"^path: 12 of 42 .* row 39 [^;]*; and 2 more; mend them") as raised:
        parquet(tmp_path).load()
    assert str(raised.value).count(" row ") == 10


def test_faulty_test_images_are_found_when_they_are_asked_for(tmp_path):
    write_set(tmp_path)
    write_parquet(tmp_path / "test.parquet", [encoded(1), b"?"], [0, 1])
    data = parquet(tmp_path).load()
    with pytest.raises(DataError, match=r"1 of 2 test images cannot be used: test.parquet row 1 is no image"):
        data.sealed_test()
    skipped = parquet(tmp_path, faulty="skip").load().sealed_test()
    assert len(skipped) == 1
    assert skipped.notes[0].endswith("They are left out")


def test_no_usable_image_at_all_is_an_error(tmp_path):
    write_parquet(tmp_path / "train.parquet", [b"?"] * 4, [0, 1, 0, 1])
    with pytest.raises(DataError, match=r"path: no training image in .* is usable: train.parquet row 0 is no image"):
        parquet(tmp_path, test=None, faulty="skip").load()


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_file_that_is_cut_off_is_named(tmp_path, part):
    write_set(tmp_path)
    file = tmp_path / f"{part}.parquet"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(
        DataError, match=rf"^path: {part}.parquet is no whole parquet file: .*; copy or download it again$"
    ):
        parquet(tmp_path).load()


def test_a_file_with_broken_pages_is_named(tmp_path):
    write_set(tmp_path)
    file = tmp_path / "train.parquet"
    bytes_ = bytearray(file.read_bytes())
    bytes_[4:60] = b"\xff" * 56
    file.write_bytes(bytes_)
    with pytest.raises(DataError, match=r"^path: train.parquet is no whole parquet file: "):
        parquet(tmp_path).load()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": "image"}, 'image: is no column of the files; got "image"; allowed: img, label'),
        ({"label": "fine_label"}, 'label: is no column of the files; got "fine_label"; allowed: img, label'),
        (
            {"image": "label"},
            "image: column label holds int64; allowed: bytes of encoded images, or structs with such bytes",
        ),
        (
            {"label": "img"},
            "label: column img holds struct<bytes: binary, path: string>; allowed: whole numbers from 0 on",
        ),
        (
            {"validation": 39},
            "validation: 39 of 40 images cannot be drawn so that both parts hold each of 2 classes; allowed: 2 to 38",
        ),
        (
            {"train_images": 31},
            "train_images: 31 of 30 images cannot be drawn so that both parts hold each of 2 classes; "
            "allowed: 2 to 28 or null",
        ),
    ],
)
def test_what_does_not_fit_the_files_is_said(tmp_path, given, message):
    write_set(tmp_path)
    with pytest.raises(DataError) as raised:
        parquet(tmp_path, **given).load()
    assert str(raised.value) == message


def test_all_training_images_may_be_named_by_their_number(tmp_path):
    write_set(tmp_path)
    assert len(parquet(tmp_path, train_images=30).load().train) == 30


def test_the_only_image_of_a_class_trains_and_this_is_said(tmp_path):
    write_set(tmp_path, metadata=hub_metadata("cat", "dog", "eel"))
    write_parquet(
        tmp_path / "train.parquet",
        [encoded(i) for i in range(21)],
        [0, 1] * 10 + [2],
        metadata=hub_metadata("cat", "dog", "eel"),
    )
    data = parquet(tmp_path).load()
    assert data.counts == {"train": (5, 5, 1), "validation": (5, 5, 0), "test": (4, 4, 0)}
    assert data.notes == (
        "1 of 3 classes have no validation image: eel",
        "1 of 3 classes have no test image: eel",
    )


def test_classes_without_images_are_noted(tmp_path):
    write_set(tmp_path, metadata=hub_metadata("cat", "dog", "eel"))
    assert parquet(tmp_path).load().notes == ("1 of 3 classes have no image: eel",)


def test_no_fitting_file_lists_what_is_there(tmp_path):
    write_set(tmp_path)
    with pytest.raises(DataError) as raised:
        parquet(tmp_path, train="training*.parquet").load()
    assert str(raised.value) == (
        f"train: no file in {tmp_path} or below fits training*.parquet; "
        "allowed: patterns of what is there: test.parquet, train.parquet"
    )


def test_files_without_rows_are_an_error(tmp_path):
    write_parquet(tmp_path / "train.parquet", [], [], metadata=hub_metadata("cat", "dog"))
    with pytest.raises(DataError, match=r"path: the training files in .* have no rows"):
        parquet(tmp_path, test=None).load()


def test_labels_of_other_whole_number_types_are_read(tmp_path):
    write_set(tmp_path)
    table = pq.read_table(tmp_path / "train.parquet")
    pq.write_table(table.set_column(1, "label", table["label"].cast(pa.uint8())), tmp_path / "train.parquet")
    assert parquet(tmp_path).load().classes == ("0", "1")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"path": "hf://cifar10"},
            'data.path: is no path on the hub; got "hf://cifar10"; allowed: hf://datasets/OWNER/NAME[@REVISION][/SUBFOLDER]',
        ),
        ({"channels": 2}, "data.channels: should be 1 or 3; got 2"),
        ({"validation": 0}, "data.validation: should be at least 1 or more than 0.0; got 0"),
    ],
)
def test_a_faulty_section_is_explained(given, message):
    with pytest.raises(DataError) as raised:
        config(kind="parquet", **{"path": "somewhere", **given})
    assert str(raised.value) == message
