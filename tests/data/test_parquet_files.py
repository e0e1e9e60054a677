import pytest

from attnspace.errors import DataError
from tests.data.made_images import config, encoded, write_parquet, write_set


def parquet(folder, **given):
    return config(kind="parquet", path=str(folder), **{"validation": 10, **given})


def write_files(folder, *names, count=20, metadata=None):
    """A file of `count` images of two classes for each name; no two images are the same."""
    for number, name in enumerate(names):
        images = [encoded(1_000 * number + i) for i in range(count)]
        write_parquet(folder / name, images, [i % 2 for i in range(count)], metadata=metadata)


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00001.parquet", "validation-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("Train.parquet", "Valid.parquet", "Test.parquet"),
        ("training.parquet", "dev.parquet", "testing.parquet"),
        ("mine-train.parquet", "mine-val.parquet", "mine-test.parquet"),
        ("default/train/0000.parquet", "default/validation/0000.parquet", "default/test/0000.parquet"),
        ("data/TRAIN/a.parquet", "data/dev_set/a.parquet", "data/test/a.parquet"),
    ],
)
def test_files_of_splits_may_be_called_in_any_usual_way(tmp_path, names):
    write_files(tmp_path, *names)
    data = parquet(tmp_path).load()
    assert data.counts == {"train": (10, 10), "validation": (10, 10), "test": (10, 10)}
    file = names[1].rsplit("/", 1)[-1]
    assert data.notes == (f"the images of {file} validate; none are drawn, and validation: 10 is not used",)


def test_a_file_of_another_name_validates_nothing_and_is_named(tmp_path):
    write_files(tmp_path, "train.parquet", "test.parquet", "values.parquet")
    data = parquet(tmp_path).load()
    assert data.counts["validation"] == (5, 5)
    assert data.notes == ("these files are not used: values.parquet",)
    chosen = parquet(tmp_path, val="val*.parquet", test=None)  # the usual pattern, written out
    assert chosen.load().notes[0] == "these files are not used: test.parquet, values.parquet"


def test_validation_files_may_be_named_or_left_alone(tmp_path):
    write_files(tmp_path, "train.parquet", "test.parquet", "held-out.parquet", "val.parquet")
    assert parquet(tmp_path, val="held-*.parquet").load().notes[0] == "these files are not used: val.parquet"
    drawn = parquet(tmp_path, val=None).load()
    assert (drawn.notes[0], drawn.counts["validation"]) == (
        "these files are not used: held-out.parquet, val.parquet",
        (5, 5),
    )
    with pytest.raises(DataError, match=r"^val: no file in .* fits nothing.*; val: null has them drawn"):
        parquet(tmp_path, val="nothing*.parquet").load()


def test_validation_files_that_are_asked_to_test_do_not_validate(tmp_path):
    write_files(tmp_path, "train.parquet", "validation.parquet")
    data = parquet(tmp_path, test="validation*.parquet").load()
    assert data.counts == {"train": (5, 5), "validation": (5, 5), "test": (10, 10)}
    assert data.notes == ()


def test_without_test_files_the_message_says_how_they_are_drawn(tmp_path):
    write_files(tmp_path, "train.parquet")
    with pytest.raises(DataError) as raised:
        parquet(tmp_path).load()
    assert str(raised.value) == (
        f"test: no file in {tmp_path} or below fits test*.parquet; allowed: patterns of what is there: train.parquet; "
        "test: null has them drawn from the training images"
    )


def test_one_pattern_does_not_name_a_file_for_two_splits(tmp_path):
    write_files(tmp_path, "train.parquet", "test.parquet")
    with pytest.raises(DataError) as raised:
        parquet(tmp_path, train="*.parquet").load()
    assert str(raised.value) == 'test: test.parquet belongs to train, too; got "test*.parquet"'


def test_a_name_that_stands_in_the_folders_of_two_splits_needs_its_folder(tmp_path):
    write_files(tmp_path, "default/train/0000.parquet", "default/test/0000.parquet")
    with pytest.raises(DataError) as raised:
        parquet(tmp_path, train="0000.parquet", test=None).load()
    assert str(raised.value) == (
        "train: fits files in the folders of several splits: default/test/0000.parquet, default/train/0000.parquet; "
        'got "0000.parquet"; write the folder too: train: default/train/0000.parquet'
    )
    data = parquet(tmp_path, train="default/train/0000.parquet", test="test/0000.parquet").load()
    assert data.counts == {"train": (5, 5), "validation": (5, 5), "test": (10, 10)}


def test_several_configurations_in_one_folder_are_refused_and_the_remedies_work(tmp_path):
    write_set(tmp_path / "fine")
    write_set(tmp_path / "coarse")
    with pytest.raises(DataError) as raised:
        parquet(tmp_path).load()
    assert str(raised.value) == (
        f"path: the files lie in several folders, which may be several data sets: coarse, fine; "
        f"name one of them, path: {tmp_path}/coarse, or write the folders in the patterns, train: coarse/train*.parquet; "
        "to read all of them as one set, train: '*/train*.parquet'"
    )
    alone = parquet(tmp_path / "fine").load()
    assert len(alone.train) == 30
    named = parquet(tmp_path, train="fine/train*.parquet", test="fine/test*.parquet").load()
    assert named.fingerprint == alone.fingerprint
    assert named.notes == ("these files are not used: coarse/test.parquet, coarse/train.parquet",)
    every = parquet(tmp_path, train="*/train*.parquet", test="*/test*.parquet").load()
    assert len(every.train) + len(every.validation) == 80


@pytest.mark.parametrize("pattern", ["/train.parquet", "../train.parquet", "a/../../b", "a\\b", ".", "/"])
def test_a_pattern_leads_nowhere_else(pattern):
    with pytest.raises(DataError) as raised:
        parquet("somewhere", train=pattern)
    assert "data.train: is no pattern of files below path" in str(raised.value)
