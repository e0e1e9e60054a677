import os

import pytest
from PIL import Image

from attnspace.errors import DataError
from tests.data.made_images import config, encoded, pixels, write_folder


def folder(path, **given):
    return config(kind="image_folder", path=str(path), **{"validation": 4, "test_images": 4, **given})


def keys(split) -> list[bytes]:
    return [image.numpy().tobytes() for image in split.images.read()]


def test_folders_name_the_classes_in_order_and_test_images_are_drawn(tmp_path):
    write_folder(tmp_path / "set", ("dog", "cat"))
    data, test = folder(tmp_path / "set").load(), folder(tmp_path / "set").load().sealed_test()
    assert data.classes == ("cat", "dog")
    assert (len(data.train), len(data.validation), len(test)) == (12, 4, 4)
    assert data.notes == ("there is no test split: 4 of the 20 images were drawn for it, class by class",)
    for split in (data.train, data.validation, test):
        for key, label in zip(keys(split), split.labels.tolist(), strict=True):
            files = (tmp_path / "set" / data.classes[label]).iterdir()
            assert key in [pixels(file.read_bytes()).tobytes() for file in files]


def test_folders_of_training_and_test_images_are_taken_as_they_are(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "val", count=3, seed=50)
    data = folder(tmp_path, test="val").load()
    assert (len(data.train), len(data.validation), len(data.sealed_test())) == (16, 4, 6)
    assert data.notes == ()


def test_nested_images_count_hidden_ones_do_not_and_other_files_are_noted(tmp_path):
    write_folder(tmp_path / "set")
    cats = tmp_path / "set" / "cat"
    (cats / "siamese" / "old").mkdir(parents=True)
    (cats / "siamese" / "old" / "one.JPEG").write_bytes(encoded(90, form="JPEG"))
    (cats / ".thumbnail.png").write_bytes(b"?")
    (cats / ".hidden").mkdir()
    (cats / ".hidden" / "image.png").write_bytes(b"?")
    (cats / "readme.txt").write_text("")
    (tmp_path / "set" / "list.csv").write_text("")
    (tmp_path / "set" / ".git").mkdir()
    (tmp_path / "set" / "eel").mkdir()
    data = folder(tmp_path / "set").load()
    assert len(data.train) + len(data.validation) + len(data.sealed_test()) == 21
    assert data.notes[:2] == (
        "2 files of set are no images and are ignored",
        "no images in these folders of set, which are no classes: eel",
    )


def test_the_fingerprint_is_the_same_in_two_places(tmp_path):
    write_folder(tmp_path / "one")
    write_folder(tmp_path / "other" / "deep")
    assert folder(tmp_path / "one").load().fingerprint == folder(tmp_path / "other" / "deep").load().fingerprint
    (tmp_path / "one" / "cat" / "000.png").rename(tmp_path / "one" / "dog" / "999.png")
    assert folder(tmp_path / "one").load().fingerprint != folder(tmp_path / "other" / "deep").load().fingerprint


def test_images_of_many_sizes_need_a_size(tmp_path):
    write_folder(tmp_path / "set")
    (tmp_path / "set" / "cat" / "wide.png").write_bytes(encoded(1, width=9, height=5))
    with pytest.raises(DataError) as raised:
        folder(tmp_path / "set").load()
    assert str(raised.value) == (
        "size: the first 21 images have 2 sizes, W x H: 6 x 6 (20), 9 x 5 (1); "
        "set size: they are resized and cut to size x size"
    )
    assert folder(tmp_path / "set", size=4).load().input_shape == (3, 4, 4)


def test_test_images_of_another_size_are_an_error(tmp_path):
    write_folder(tmp_path / "train")
    (tmp_path / "test" / "cat").mkdir(parents=True)
    (tmp_path / "test" / "cat" / "wide.png").write_bytes(encoded(1, width=9, height=5))
    with pytest.raises(DataError) as raised:
        folder(tmp_path).load().sealed_test()
    assert str(raised.value) == "size: test images are 9 x 5 pixels, training images 6 x 6; set size"


def test_a_class_that_only_test_has_is_an_error(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", ("cat", "eel"), count=2)
    with pytest.raises(DataError) as raised:
        folder(tmp_path).load()
    assert str(raised.value) == (
        "test: test holds images of classes that no training image has: eel; allowed: cat, dog"
    )


def test_an_image_that_is_cut_off_is_named(tmp_path):
    write_folder(tmp_path / "set")
    file = tmp_path / "set" / "dog" / "004.png"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError) as raised:
        folder(tmp_path / "set").load()
    assert str(raised.value) == (
        "path: 1 of 20 training images cannot be used: dog/004.png cannot be decoded: image file is truncated; "
        "mend them, or leave them out with faulty: skip"
    )
    data = folder(tmp_path / "set", faulty="skip").load()
    assert len(data.train) == 11


def test_a_decompression_bomb_is_a_fault_not_a_wait(tmp_path):
    write_folder(tmp_path / "set")
    for name, width in (("bomb", 10_000), ("worse", 20_000)):
        Image.new("1", (width, 10_000)).save(tmp_path / "set" / "dog" / f"{name}.png")
    with pytest.raises(DataError) as raised:
        folder(tmp_path / "set").load()
    assert str(raised.value) == (
        "path: 2 of 22 training images cannot be used: "
        "dog/bomb.png is 10,000 x 10,000 pixels large, more than 89,478,485 in all; "
        "dog/worse.png has more than 89,478,485 pixels; mend them, or leave them out with faulty: skip"
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            (),
            "path: there is no folder: {path}; name a local copy with --data FOLDER or ATTNSPACE_DATA=FOLDER, "
            "which holds CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg",
        ),
        (
            ("",),
            "path: {path} holds no images in folders of classes; allowed: two folders or more, each named for a class "
            "and holding images (.avif, .bmp, .gif, .jfif, .jpe, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp)",
        ),
        (
            ("cat",),
            "path: {path} holds images of one class, cat; allowed: two folders or more, each named for a class "
            "and holding images (.avif, .bmp, .gif, .jfif, .jpe, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp)",
        ),
        (
            ("test", "other"),
            "train: there is a folder test but no folder train in {path}; allowed: other, test; "
            "rename one to train, or, if test is a class: train: null",
        ),
    ],
)
def test_a_folder_without_images_is_explained(tmp_path, made, message):
    for name in made:
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
        if name:
            (tmp_path / "set" / name / "a.png").write_bytes(encoded(1))
    with pytest.raises(DataError) as raised:
        folder(tmp_path / "set").load()
    assert str(raised.value) == message.format(path=tmp_path / "set")


def test_an_empty_test_folder_is_an_error(tmp_path):
    write_folder(tmp_path / "train")
    (tmp_path / "test" / "cat").mkdir(parents=True)
    (tmp_path / "test" / "unlabelled.png").write_bytes(encoded(1))
    with pytest.raises(DataError) as raised:
        folder(tmp_path).load()
    assert str(raised.value) == (
        'test: test holds no images in folders of classes; got "test"; '
        "test: null has test images drawn from the training images"
    )
    assert folder(tmp_path, test=None).load().counts["test"] == (2, 2)


@pytest.mark.parametrize(
    "names",
    [("Train", "Test"), ("TRAIN", "TEST"), ("training", "testing"), ("train_set", "test-set"), ("train", "Test")],
)
def test_folders_of_splits_may_be_called_in_any_usual_way(tmp_path, names):
    write_folder(tmp_path / names[0], count=8)
    write_folder(tmp_path / names[1], count=3, seed=50)
    data = folder(tmp_path).load()
    assert data.classes == ("cat", "dog")
    assert data.counts == {"train": (6, 6), "validation": (2, 2), "test": (3, 3)}
    assert len(data.sealed_test()) == 6
    assert data.notes == ()


@pytest.mark.parametrize("name", ["val", "VAL", "valid", "Validation", "dev", "val_set"])
def test_a_validation_folder_validates(tmp_path, name):
    write_folder(tmp_path / "train", count=8)
    write_folder(tmp_path / name, count=3, seed=50)
    write_folder(tmp_path / "test", count=2, seed=60)
    data = folder(tmp_path).load()
    assert data.counts == {"train": (8, 8), "validation": (3, 3), "test": (2, 2)}
    expected = {pixels(file.read_bytes()).tobytes() for file in (tmp_path / name).rglob("*.png")}
    assert set(keys(data.validation)) == expected
    assert data.notes == (f"the images of {name} validate; none are drawn, and validation: 4 is not used",)


def test_a_validation_folder_may_be_left_alone_and_this_is_said(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "val", count=3, seed=50)
    write_folder(tmp_path / "test", count=2, seed=60)
    data = folder(tmp_path, val=None).load()
    assert data.counts == {"train": (8, 8), "validation": (2, 2), "test": (2, 2)}
    assert data.notes == ("these folders are not used: val",)


def test_other_validation_images_are_other_data(tmp_path):
    write_folder(tmp_path / "train")
    drawn = folder(tmp_path).load().fingerprint
    write_folder(tmp_path / "val", count=3, seed=50)
    given = folder(tmp_path).load().fingerprint
    assert folder(tmp_path, validation=6).load().fingerprint == given
    (tmp_path / "val" / "cat" / "000.png").write_bytes(encoded(99))
    assert len({drawn, given, folder(tmp_path).load().fingerprint}) == 3


@pytest.mark.parametrize("names", [("good", "bad"), ("2023", "2024"), ("fold1", "fold2")])
def test_folders_that_hold_the_same_folders_are_no_classes(tmp_path, names):
    for name in names:
        write_folder(tmp_path / name, ("cat", "dog"), count=2)
    with pytest.raises(DataError) as raised:
        folder(tmp_path).load()
    one, other = sorted(names)
    assert str(raised.value) == (
        f"path: {one} and {other} in {tmp_path} both hold the folders cat, dog; "
        "if they are splits, rename them to train, val and test, or name them (train: ..., test: ...); "
        "if they are classes, put their images right into them"
    )


def test_classes_that_are_called_like_splits_are_told_from_them(tmp_path):
    write_folder(tmp_path / "set", ("bus", "train"))
    with pytest.raises(
        DataError, match=r"holds no images in folders of classes; .*; if train is a class: train: null$"
    ):
        folder(tmp_path / "set").load()
    assert folder(tmp_path / "set", train=None).load().classes == ("bus", "train")


def test_folders_with_a_stray_image_are_no_classes_either(tmp_path):
    for name in ("good", "bad"):
        write_folder(tmp_path / name, ("cat", "dog"), count=2)
        (tmp_path / name / "overview.png").write_bytes(encoded(5))
    with pytest.raises(DataError, match="both hold the folders cat, dog"):
        folder(tmp_path).load()


def test_splits_inside_of_classes_are_refused_with_what_to_do(tmp_path):
    for name in ("cat", "dog"):
        write_folder(tmp_path / name, ("train", "test"), count=2)
    with pytest.raises(DataError) as raised:
        folder(tmp_path).load()
    assert str(raised.value) == (
        f"path: cat and dog in {tmp_path} both hold the folders test, train; "
        "folders of splits hold those of classes: test/cat"
    )


def test_classes_may_each_have_one_folder_of_the_same_name(tmp_path):
    write_folder(tmp_path / "set" / "cat", ("images",))
    write_folder(tmp_path / "set" / "dog", ("images",), seed=500)
    assert folder(tmp_path / "set").load().classes == ("cat", "dog")


def test_two_folders_for_one_split_are_refused(tmp_path):
    for name in ("Train", "training"):
        write_folder(tmp_path / name)
    with pytest.raises(DataError) as raised:
        folder(tmp_path, train="TRAINING_SET").load()
    assert str(raised.value) == (
        f"train: {tmp_path} holds several folders that may be those of the train images: Train, training; "
        "rename all but one of them, or name one: train: Train"
    )
    assert folder(tmp_path, train="training").load().notes[0] == "these folders are not used: Train"


def test_one_folder_is_not_two_splits(tmp_path):
    write_folder(tmp_path / "train")
    with pytest.raises(DataError, match=r'^test: names the folder of another split; got "TRAIN"$'):
        folder(tmp_path, test="TRAIN").load()


def test_classes_of_the_splits_are_the_same_however_their_accents_are_kept(tmp_path):
    write_folder(tmp_path / "train", ("caf\u00e9", "the"))
    write_folder(tmp_path / "test", ("cafe\u0301", "the"), count=2, seed=50)
    data = folder(tmp_path).load()
    assert data.classes == ("caf\u00e9", "the")
    assert data.test_counts == (2, 2)


def test_a_set_that_was_copied_to_another_system_is_the_same(tmp_path):
    write_folder(tmp_path / "here", ("caf\u00e9", "the"))
    write_folder(tmp_path / "there", ("cafe\u0301", "the"))
    assert folder(tmp_path / "here").load().fingerprint == folder(tmp_path / "there").load().fingerprint


def test_what_is_no_file_is_a_damaged_image_like_any_other(tmp_path):
    write_folder(tmp_path / "set")
    (tmp_path / "set" / "cat" / "link.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "set" / "dog" / "pipe.png")
    (tmp_path / "set" / "dog" / "empty.png").write_bytes(b"")
    listed = (
        "3 of 23 training images cannot be used: cat/link.png is a link to nothing; dog/empty.png is empty; "
        "dog/pipe.png is no file of bytes, but a pipe, a socket or a device"
    )
    with pytest.raises(DataError) as raised:
        folder(tmp_path / "set").load()
    assert str(raised.value) == f"path: {listed}; mend them, or leave them out with faulty: skip"
    data = folder(tmp_path / "set", faulty="skip").load()
    assert data.notes[0] == f"{listed}. They are left out"
    assert len(data.train) == 12


def test_a_linked_folder_is_followed(tmp_path):
    write_folder(tmp_path / "set")
    write_folder(tmp_path / "elsewhere", ("cat",), count=5, seed=50)
    (tmp_path / "set" / "cat" / "more").symlink_to(tmp_path / "elsewhere" / "cat")
    data = folder(tmp_path / "set").load()
    assert len(data.train) + len(data.validation) + len(data.sealed_test()) == 25


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG", ".tif", ".webp", ".avif"])
def test_images_of_every_usual_suffix_are_read(tmp_path, suffix):
    write_folder(tmp_path / "set")
    form = {".tif": "TIFF", ".webp": "WEBP", ".avif": "AVIF"}.get(suffix, "JPEG")
    (tmp_path / "set" / "cat" / f"one{suffix}").write_bytes(encoded(90, form=form))
    data = folder(tmp_path / "set").load()
    assert len(data.train) + len(data.validation) + len(data.sealed_test()) == 21


def test_splits_are_drawn_anew_where_the_study_draws_them(tmp_path):
    write_folder(tmp_path / "set", ("dog", "cat"))
    data = folder(tmp_path / "set").load()
    drawn = data.redrawn(3)
    assert keys(drawn.sealed_test()) == keys(data.sealed_test())
    assert sorted(keys(drawn.train) + keys(drawn.validation)) == sorted(keys(data.train) + keys(data.validation))
    assert keys(drawn.validation) != keys(data.validation)


def test_a_source_with_validation_images_of_its_own_keeps_them(tmp_path):
    for part in ("train", "val"):
        write_folder(tmp_path / "set" / part, ("dog", "cat"))
    data = folder(tmp_path / "set").load()
    assert not data.is_drawn
    with pytest.raises(ValueError, match="there is nothing to draw"):
        data.redrawn(3)
