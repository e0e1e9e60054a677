from dataclasses import replace

from attnspace.data import facts, summary
from tests.data.made_images import config, encoded, hub_metadata, write_parquet, write_set


def test_images_and_classes_of_every_split_are_told_in_two_lines(tmp_path):
    write_set(tmp_path, metadata=hub_metadata("cat", "dog"))
    data = config(kind="parquet", path=str(tmp_path), validation=10).load()
    assert summary(data) == (
        "images: 30 train, 10 validation, 8 test; 3 x 6 x 6",
        "2 classes (train/validation/test): cat 15/5/4, dog 15/5/4",
    )
    assert facts(data) == {
        "classes": ["cat", "dog"],
        "shape": list(data.input_shape),
        "fingerprint": data.fingerprint,
        "counts": {"train": (15, 15), "validation": (5, 5), "test": (4, 4)},
        "notes": [],
    }


def test_the_first_classes_are_listed_and_the_rest_counted(tmp_path):
    write_parquet(tmp_path / "train.parquet", [encoded(i) for i in range(60)], [i % 12 for i in range(60)])
    data = config(kind="parquet", path=str(tmp_path), validation=12, test=None, test_images=12).load()
    assert summary(data)[1].startswith("12 classes (train/validation/test): 0 3/1/1, 1 3/1/1, ")
    assert summary(data)[1].endswith(", 9 3/1/1 and 2 more")


def test_what_is_not_known_of_test_images_is_not_told():
    data = config().load()
    assert summary(data)[0] == "images: 797 train, 500 validation, 500 test; 1 x 8 x 8"
    unknown = summary(replace(data, test_counts=()))
    assert unknown[0] == "images: 797 train, 500 validation; 1 x 8 x 8"
    assert unknown[1].startswith("10 classes (train/validation): 0 ")


def test_data_without_images_have_nothing_to_tell():
    assert summary(config(kind="external", shape=[3, 8, 8], classes=4).load()) == ()
