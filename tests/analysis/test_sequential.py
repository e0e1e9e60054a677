import numpy as np
import pytest
from scipy import stats

from attnspace.analysis.sequential import conditional_power, nominal_levels, repeated_p, spent

LOOKS = (4, 6, 8, 10)


def test_all_of_the_level_is_spent_at_the_end_and_hardly_any_early():
    assert spent(0.05, 1.0) == pytest.approx(0.05)
    assert spent(0.05, 0.4) < 0.001
    assert nominal_levels(0.05, (10,)) == pytest.approx((0.05,))


def test_the_boundaries_spend_what_they_should_by_the_multivariate_normal_distribution():
    bounds = stats.norm.isf(np.array(nominal_levels(0.05, LOOKS)) / 2)
    correlation = np.sqrt(np.minimum.outer(LOOKS, LOOKS) / np.maximum.outer(LOOKS, LOOKS))
    for taken in (2, 3, 4):
        inside = stats.multivariate_normal(cov=correlation[:taken, :taken])
        crossed = 1 - inside.cdf(bounds[:taken], lower_limit=-bounds[:taken])
        assert crossed == pytest.approx(spent(0.05, LOOKS[taken - 1] / 10), abs=2e-4)


def test_the_p_value_is_the_level_whose_boundary_was_just_met():
    for look, nominal in enumerate(nominal_levels(0.05, LOOKS)):
        assert repeated_p([1.0] * look + [nominal], LOOKS) == pytest.approx(0.05, rel=2e-3)


def test_a_look_once_passed_stays_passed_and_early_looks_need_far_smaller_p_values():
    assert repeated_p([1e-5, 0.5], LOOKS) == repeated_p([1e-5], LOOKS) < 0.05
    assert repeated_p([0.01], LOOKS) > 0.05 > repeated_p([1.0, 1.0, 0.01], LOOKS)


def test_with_one_look_it_is_the_p_value_itself_and_with_none_1():
    assert repeated_p([0.03], (10,)) == 0.03
    assert repeated_p([], LOOKS) == repeated_p([1.0], LOOKS) == 1.0


@pytest.mark.parametrize("quantile", [-0.5, 0.8, 2.0])
def test_the_conditional_power_is_how_often_sums_end_above_the_boundary_if_they_go_on_as_they_began(quantile):
    seeds, looks = 6, (4, 6, 8, 10)
    further = np.random.default_rng(0).normal(quantile / seeds**0.5, 1, (200_000, looks[-1] - seeds)).sum(1)
    last = (quantile * seeds**0.5 + further) / looks[-1] ** 0.5
    boundary = stats.norm.isf(nominal_levels(0.05, looks)[-1] / 2)
    assert conditional_power(quantile, seeds, looks, 0.05) == pytest.approx(np.mean(last > boundary), abs=0.004)


def test_a_stricter_level_leaves_less_conditional_power():
    looks = (4, 6, 8, 10)
    assert conditional_power(1.0, 6, looks, 0.05 / 3) < conditional_power(1.0, 6, looks, 0.05)
