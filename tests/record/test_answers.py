import numpy as np
import pytest

from attnspace.record.answers import packed, packed_right, unpacked, unpacked_right


@pytest.mark.parametrize("classes", [10, 300, 70_000])
def test_answers_are_the_same_after_they_were_kept(classes):
    answers = np.random.default_rng(0).integers(0, classes, 1_000)
    kept = packed(answers)
    assert unpacked(kept).tolist() == answers.tolist()
    assert len(kept) < answers.nbytes / 1.9


def test_no_answers_are_kept_too():
    assert unpacked(packed(np.array([], dtype=np.int64))).tolist() == []


@pytest.mark.parametrize("images", [1, 8, 1_001])
def test_which_answers_were_right_is_the_same_after_it_was_kept_in_a_table(images):
    rng = np.random.default_rng(1)
    right = {("aa", 3): rng.random(images) < 0.8, ("bb", 1_000_000): rng.random(images) < 0.2}
    again = unpacked_right(packed_right(right))
    assert again.keys() == right.keys()
    assert all(np.array_equal(again[key], right[key]) for key in right)
