import pytest

from attnspace.data.files.names import meant, path_split, split_of


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Train TRAIN training Training_Set train_set train-set trainset train.data train2017 01_train"),
        ("val", "val Val valid VALID validation Validation dev dev_set val-images imgs_val"),
        ("test", "test Test TEST testing test_set test-images Testset test2"),
        (None, "trainer trainval car device valley values testament testtrain contest"),
    ],
)
def test_a_folder_is_called_like_a_split_in_any_usual_way(split, names):
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train-00000-of-00002.parquet", "train"),
        ("data/cifar_Validation_0.parquet", "val"),
        ("default/test/0000.parquet", "test"),
        ("train/test-0.parquet", "test"),
        ("train-test.parquet", None),
        ("values.parquet", None),
        ("fine/0000.parquet", None),
    ],
)
def test_a_file_belongs_to_a_split_by_its_name_or_by_its_folders(path, split):
    assert path_split(path) == split


def test_a_name_stands_for_itself_before_it_stands_for_its_like():
    assert meant("train", ["Train", "train", "training"]) == ["train"]
    assert meant("train", ["Train", "training"]) == ["Train"]
    assert meant("train", ["training", "trainset", "other"]) == ["training", "trainset"]
    assert meant("pictures", ["Pictures", "train"]) == ["Pictures"]
    assert meant("pictures", ["train"]) == []


def test_accented_names_are_the_same_however_they_are_kept():
    assert meant("re\u0301sume\u0301", ["r\u00e9sum\u00e9"]) == ["r\u00e9sum\u00e9"]
