import numpy as np
import pytest

from attnspace.data.drawing import draw_rows
from attnspace.data.options import SplitOptions
from attnspace.errors import DataError


def drawn(counts, **options):
    """Rows drawn from so many images of each class, and how many of each class are in each split."""
    labels = np.repeat(np.arange(len(counts)), counts)
    classes = tuple(map(str, range(len(counts))))
    rows = draw_rows(labels, classes, SplitOptions(**options), validation=True, test=True)
    parts = (rows.train, rows.validation, rows.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(sum(counts))) or options.get("train_images")
    return rows, [np.bincount(labels[part], minlength=len(counts)).tolist() for part in parts]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counts", [(60, 3), (500, 3, 3, 4), (97, 5, 50)])
def test_a_class_of_three_images_has_one_in_each_split_and_the_numbers_are_those_asked_for(counts, seed):
    rows, (train, validation, test) = drawn(counts, validation=8, test_images=8, split_seed=seed)
    assert all(min(part) >= 1 for part in (train, validation, test))
    assert (sum(validation), sum(test)) == (8, 8)
    assert all(np.all(np.diff(part) > 0) for part in (rows.train, rows.validation, rows.test))


def test_classes_that_are_in_each_split_anyway_are_left_as_they_are_drawn():
    assert not drawn((40, 40), validation=8, test_images=8)[0].mended
    assert drawn((60, 3), validation=6, test_images=6)[0].mended


def test_the_only_image_of_a_class_trains_even_where_few_train():
    for seed in range(5):
        rows, (train, validation, test) = drawn(
            (50, 50, 1), validation=8, test_images=8, train_images=7, split_seed=seed
        )
        assert (train[2], validation[2], test[2]) == (1, 0, 0)
        assert len(rows.train) == 7


def test_a_class_that_large_draws_would_empty_still_trains():
    _, (train, _, _) = drawn((40, 3), validation=16, test_images=20)
    assert min(train) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"validation": 1},
            "validation: 1 of 93 images cannot be drawn so that both parts hold each of 2 classes; allowed: 2 to 90",
        ),
        (
            {"validation": 8, "train_images": 2},
            "train_images: 2 of 85 images cannot be drawn so that both parts hold each of 2 classes; "
            "allowed: 3 to 83 or null",
        ),
    ],
)
def test_numbers_that_leave_a_class_out_are_refused(options, message):
    with pytest.raises(DataError) as raised:
        drawn((50, 50, 1), test_images=8, **options)
    assert str(raised.value) == message
