import numpy as np
import pytest
from scipy import stats

from attnspace.analysis.intervals import over_seeds, over_seeds_and_images


def test_below_four_seeds_there_is_no_interval():
    assert not over_seeds(np.array([0.1, 0.2, 0.3]))
    assert not over_seeds_and_images(np.zeros((3, 50)))


def test_over_seeds_it_is_that_of_the_t_distribution():
    values = np.array([0.1, 0.3, 0.2, 0.5])
    found = over_seeds(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.name == "95% interval over seeds"


def test_images_widen_the_interval_where_their_choice_matters():
    rng = np.random.default_rng(0)
    same = rng.normal(0, 1, (8, 200))
    images = same + 3 * rng.normal(0, 1, 200)
    found = over_seeds_and_images(images)
    assert found.name == "95% interval over seeds and test images"
    assert found.high - found.low > 2 * (over_seeds(images.mean(1)).high - over_seeds(images.mean(1)).low)
    assert found.high - found.low == pytest.approx(2 * 1.97 * 3 / 200**0.5, rel=0.15)


def test_without_any_spread_it_is_a_point():
    found = over_seeds_and_images(np.full((5, 40), 0.25))
    assert (found.low, found.high) == (0.25, 0.25)
