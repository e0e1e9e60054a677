import numpy as np
import pytest

from attnspace.record.answers import packed, unpacked


@pytest.mark.parametrize("classes", [10, 300, 70_000])
def test_answers_are_the_same_after_they_were_kept(classes):
    answers = np.random.default_rng(0).integers(0, classes, 1_000)
    kept = packed(answers)
    assert unpacked(kept).tolist() == answers.tolist()
    assert len(kept) < answers.nbytes / 1.9


def test_no_answers_are_kept_too():
    assert unpacked(packed(np.array([], dtype=np.int64))).tolist() == []
