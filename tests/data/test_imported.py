import pytest
import torch

from attnspace.data.loader import DeviceData
from attnspace.errors import DataError
from tests.data.made_images import config

HERE = "tests.data.functions"


def imported(function="made", args=None, **given):
    return config(**{"import": f"{HERE}:{function}", "args": args or {}, "validation": 4, "test_images": 4, **given})


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_images_of_a_function_are_split_as_others_are(kind):
    data = imported(args={"kind": kind, "names": ["cat", "dog"]}).load()
    assert (len(data.train), len(data.validation), len(data.sealed_test())) == (16, 4, 6)
    assert data.input_shape == (3, 4, 5)
    assert data.classes == ("cat", "dog")
    assert data.notes == ()
    assert data.train.labels.sum() == 8
    torch.testing.assert_close(data.mean, data.train.images.double().mean((0, 2, 3)).float())
    torch.testing.assert_close(data.std, data.train.images.double().std((0, 2, 3)).float())


def test_a_validation_split_of_its_own_is_taken():
    data = imported(args={"validation": 8}).load()
    assert (len(data.train), len(data.validation)) == (20, 8)


def test_without_test_images_they_are_drawn():
    chosen = imported(args={"test": 0})
    assert chosen.load().notes == ("there is no test split: 4 of the 20 images were drawn for it, class by class",)
    assert (len(chosen.load().train), len(chosen.load().sealed_test())) == (12, 4)


def test_the_fingerprint_is_of_the_images_not_of_the_function():
    prints = {imported(args={"kind": kind}).load().fingerprint for kind in ("tensor", "array")}
    assert len(prints) == 1
    assert imported(args={"train": 22}).load().fingerprint not in prints
    assert imported(split_seed=1).load().fingerprint not in prints
    assert imported(args={"test": 8}).load().fingerprint in prints


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        ("given", {"value": []}, "returns a list; allowed: a mapping with train, validation, test, classes"),
        (
            "given",
            {"value": {"images": 1}},
            "returns an unknown key 'images'; allowed: train, validation, test, classes",
        ),
        ("given", {"value": {}}, "returns no training images; allowed: train: (images, labels)"),
        ("given", {"value": {"train": 3}}, "train is a int; allowed: (images, labels)"),
        ("failing", {}, f'raises RuntimeError: the disk is elsewhere; got "{HERE}:failing"'),
        ("made", {"names": {}}, "classes is {}; allowed: a list of names, or how many there are"),
        ("made", {"names": 1}, "10 of 20 train labels are no class, such as 1 of image 1; allowed: 0 to 0"),
        (
            "replaced",
            {"images": [20, 4, 5]},
            "train images are uint8 of the shape [20, 4, 5]; allowed: uint8 or float32 of the shape n,C,H,W",
        ),
        (
            "replaced",
            {"images": [20, 3, 4, 5], "dtype": "complex64"},
            "train images are complex64 of the shape [20, 3, 4, 5]; allowed: uint8 or float32 of the shape n,C,H,W",
        ),
        (
            "replaced",
            {"images": [20, 3, 4, 5], "dtype": "float64", "fill": 1e300},
            "train images hold what is no finite number",
        ),
        (
            "replaced",
            {"name": "test", "images": [20, 3, 4, 5], "dtype": "float32"},
            "test images are float32, training images uint8; allowed: one type",
        ),
        (
            "replaced",
            {"name": "test", "images": [6, 3, 5, 5]},
            "test images have the shape [3, 5, 5], training images [3, 4, 5]",
        ),
        ("replaced", {"labels": [0, 1]}, "train has 20 images and 2 labels"),
        (
            "replaced",
            {"labels": [0.0] * 20, "label_dtype": "float64"},
            "train labels are float64 of the shape [20]; allowed: whole numbers of the shape n",
        ),
        (
            "replaced",
            {"name": "test", "labels": [0, 1, 2, -1, 0, 1]},
            "2 of 6 test labels are no class, such as 2 of image 2; allowed: 0 to 1",
        ),
        (
            "replaced",
            {"labels": [10**12] * 20},
            "a label is 1,000,000,000,000, and there are no classes; allowed: up to 1,000,000 classes",
        ),
    ],
)
def test_what_a_function_returns_is_checked(function, args, message):
    with pytest.raises(DataError) as raised:
        imported(function, args).load()
    assert str(raised.value) == f"import: {message}"


@pytest.mark.parametrize("function", ["bfloat", "ragged"])
def test_what_is_no_array_is_said(function):
    with pytest.raises(DataError, match=r"^import: train holds what is no array: "):
        imported(function).load()


def test_a_file_beside_the_study_may_be_imported(tmp_path):
    (tmp_path / "mine.py").write_text("from tests.data.functions import made as images\n")
    chosen = config(**{"import": "mine.py:images", "validation": 4}).located(tmp_path)
    assert len(chosen.load().train) == 16


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
def test_images_of_more_than_eight_bits_keep_them(dtype):
    data = imported("deep", {"dtype": dtype}).load()
    assert data.train.images.dtype == data.sealed_test().images.dtype == torch.float32
    assert len(data.train.images.unique()) > 500
    normalised = DeviceData(data).normalise(data.train.images)
    assert normalised.std((0, 2, 3)).tolist() == pytest.approx([1] * 3, abs=1e-5)
    assert imported("deep", {"dtype": dtype}).load().fingerprint == imported("deep").load().fingerprint


def test_classes_without_an_image_in_a_split_are_named():
    data = imported("replaced", {"name": "test", "labels": [0] * 6}).load()
    assert data.notes == ("1 of 2 classes have no test image: 1",)
    assert data.test_counts == (6, 0)


def test_images_of_one_class_are_refused():
    with pytest.raises(DataError, match=r"^import: all training images are of one class; allowed: images of two"):
        imported("replaced", {"labels": [0] * 20, "names": ["cat", "dog"]}).load()
