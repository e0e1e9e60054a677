"""Values that lie far off decide nothing."""

import numpy as np
import pytest

from attnspace.objective.robust import clipped, fence, outside

BAD = [1e30, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("bad", BAD)
def test_one_diverged_value_moves_nothing(sign, bad):
    good = np.random.default_rng(0).normal(0.9, 0.01, 30)
    bad = bad if not np.isfinite(bad) else -sign * bad
    with_bad = np.append(good, bad)
    assert outside(with_bad, sign).tolist() == [False] * 30 + [True]
    assert clipped(with_bad, sign)[:30].tolist() == good.tolist()
    assert clipped(with_bad, sign).std() < 2 * good.std()


def test_values_that_are_far_better_count_as_they_are():
    values = np.array([0.5, 0.51, 0.52, 0.53, 0.54, 0.99])
    assert not outside(values, 1.0).any()
    assert outside(values, -1.0).tolist() == [False] * 5 + [True]


def test_values_that_are_all_but_equal_have_none_outside():
    assert not outside(np.array([0.85, 0.85, 0.85, 0.85, 0.84]), 1.0).any()


def test_few_values_have_a_fence_of_their_own_worst():
    assert fence(np.array([0.1, 0.9]), 1.0) == 0.1
    assert clipped(np.array([0.1, 0.9, np.nan]), 1.0).tolist() == [0.1, 0.9, 0.1]
    assert np.isnan(fence(np.array([np.nan]), 1.0))
