import pytest

from attnspace.errors import DataError
from tests.data.made_images import config, encoded, hub_metadata, write_parquet, write_set


def parquet(folder, **given):
    return config(kind="parquet", path=str(folder), **{"validation": 10, **given})


def test_labels_are_those_of_the_names_however_a_file_numbers_them(tmp_path):
    reds, greens = [encoded(i) for i in range(20)], [encoded(100 + i) for i in range(20)]
    write_parquet(tmp_path / "train.parquet", reds + greens, [0] * 20 + [1] * 20, metadata=hub_metadata("red", "green"))
    more_red, more_green = [encoded(200 + i) for i in range(3)], [encoded(300 + i) for i in range(2)]
    swapped = hub_metadata("green", "red")
    write_parquet(tmp_path / "test.parquet", more_red + more_green, [1] * 3 + [0] * 2, metadata=swapped)
    write_parquet(tmp_path / "val.parquet", more_green + greens[:1], [0] * 3, metadata={"class_names": "green, red"})
    data = parquet(tmp_path).load()
    assert data.classes == ("red", "green")
    assert data.sealed_test().labels.tolist() == [0, 0, 0, 1, 1]
    assert data.validation.labels.tolist() == [1, 1, 1]
    assert data.test_counts == (3, 2)
    assert data.notes[0] == (
        "classes stand in another order than in the training files, and labels are taken by name: "
        "test.parquet, val.parquet"
    )


def test_another_order_of_the_names_is_other_data(tmp_path):
    write_set(tmp_path / "one", metadata=hub_metadata("a", "b"))
    write_set(tmp_path / "two", metadata=hub_metadata("a", "b"))
    for number, names in enumerate((("a", "b"), ("b", "a"))):
        labels = [0, 1] * 5
        images = [encoded(5_000 + i) for i in range(10)]
        write_parquet(
            tmp_path / ("one", "two")[number] / "train-1.parquet", images, labels, metadata=hub_metadata(*names)
        )
    one, two = parquet(tmp_path / "one").load(), parquet(tmp_path / "two").load()
    assert one.fingerprint != two.fingerprint
    assert one.counts == two.counts


def test_files_that_name_other_classes_are_refused(tmp_path):
    write_set(tmp_path, metadata=hub_metadata("red", "green"))
    write_parquet(tmp_path / "test.parquet", [encoded(1)] * 2, [0, 1], metadata=hub_metadata("red", "blue"))
    with pytest.raises(DataError) as raised:
        parquet(tmp_path).load()
    assert str(raised.value) == (
        f"path: {tmp_path.name}/test.parquet names classes that {tmp_path.name}/train.parquet does not: blue; "
        "allowed: red, green; name files of one data set"
    )


def test_a_file_may_name_some_of_the_classes(tmp_path):
    write_set(tmp_path, classes=3, metadata=hub_metadata("red", "green", "blue"))
    write_parquet(tmp_path / "test.parquet", [encoded(900), encoded(901)], [0, 1], metadata=hub_metadata("blue", "red"))
    data = parquet(tmp_path).load()
    assert data.sealed_test().labels.tolist() == [2, 0]
    assert "1 of 3 classes have no test image: green" in data.notes


def test_files_without_class_names_are_said(tmp_path):
    write_set(tmp_path, metadata=hub_metadata("red", "green"))
    write_parquet(tmp_path / "test.parquet", [encoded(900), encoded(901)], [0, 1])
    assert parquet(tmp_path).load().notes == ("there are no class names, and labels are taken by number: test.parquet",)
    write_set(tmp_path)
    write_parquet(tmp_path / "test.parquet", [encoded(900), encoded(901)], [0, 1], metadata=hub_metadata("a", "b"))
    data = parquet(tmp_path).load()
    assert data.classes == ("0", "1")
    assert data.notes == (
        "class names are not used, as training files have none, and labels are taken by number: test.parquet",
    )


def test_a_class_that_is_named_twice_has_no_label(tmp_path):
    write_set(tmp_path, metadata=hub_metadata("red", "red"))
    write_parquet(tmp_path / "test.parquet", [encoded(1)], [0], metadata=hub_metadata("red"))
    with pytest.raises(DataError, match=r"^label: test.parquet and train.parquet name the same class twice"):
        parquet(tmp_path).load()
