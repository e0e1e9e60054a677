import math

import numpy as np
import pytest
from scipy import stats

from attnspace.analysis.significance import Race, compare, detectable, holm, interval, p_value, power, race


def test_a_comparison_is_that_of_a_paired_t_test():
    rng = np.random.default_rng(0)
    others = rng.normal(0.9, 0.02, 10)
    scores = others + rng.normal(0.004, 0.003, 10)
    found = compare("mine", "theirs", scores.tolist(), others.tolist())
    oracle = stats.ttest_rel(scores, others)
    assert found.p == pytest.approx(oracle.pvalue)
    assert found.difference == pytest.approx((scores - others).mean())
    limits = oracle.confidence_interval(0.95)
    assert (found.difference - found.margin, found.difference + found.margin) == pytest.approx(
        (limits.low, limits.high)
    )
    assert found.low < found.difference < found.high
    assert (found.name, found.other, found.n) == ("mine", "theirs", 10)


def test_equal_scores_are_no_difference_and_equal_leads_no_chance():
    same = compare("a", "b", [0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert (same.difference, same.p, same.low, same.high) == (0.0, 1.0, 0.0, 0.0)
    assert p_value(np.array([0.1, 0.1, 0.1])) == 0.25  # three coins alike
    assert p_value(np.array([0.002] * 10)) == pytest.approx(2 / 2**10)
    assert p_value(np.array([0.1])) == 1.0


def test_one_seed_says_nothing():
    one = compare("a", "b", [0.5], [0.4])
    assert (one.n, one.p) == (1, 1.0)
    assert math.isnan(one.sd)
    assert math.isnan(one.low)
    with pytest.raises(ValueError, match="no seed has both"):
        compare("a", "b", [], [])


def test_bootstrap_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        low, high = interval(rng.normal(1.0, 1.0, 20))
        covered += low <= 1.0 <= high
    assert 0.88 <= covered / 300 <= 0.98


def test_few_values_have_the_interval_of_the_t_distribution():
    values = np.array([0.1, 0.4, 0.2])
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / 3**0.5
    assert interval(values) == pytest.approx((values.mean() - half, values.mean() + half))


def test_the_same_values_have_the_same_interval():
    values = np.random.default_rng(1).normal(size=12)
    assert interval(values) == interval(values)


def test_holm_corrects_step_by_step():
    """The example of Holm's procedure: 0.01 x 4, 0.02 x 3, 0.03 x 2, 0.04, never less than the one before."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("difference", "n"), [(0.5, 10), (1.0, 10), (0.3, 40), (0.0, 10)])
def test_power_is_how_often_the_test_finds_it(difference, n):
    rng = np.random.default_rng(0)
    drawn = rng.normal(difference, 1.0, (20_000, n))
    found = (stats.ttest_1samp(drawn, 0.0, axis=1).pvalue <= 0.05).mean()
    assert power(difference, 1.0, n) == pytest.approx(found, abs=0.012)


def test_power_at_the_ends():
    assert power(1.0, 0.0, 5) == 1.0
    assert power(100.0, 1.0, 10) == pytest.approx(1.0)
    assert math.isnan(power(1.0, 1.0, 1))


def test_the_detectable_difference_has_a_power_of_80_percent():
    assert power(detectable(0.7, 12), 0.7, 12) == pytest.approx(0.8, abs=1e-6)


def test_a_race_against_one_rival_is_a_t_test():
    one = Race(1.0, (0.0,), 0.05)
    for lead in (0.5, 1.0, 2.0):
        assert one.power(lead, 10) == pytest.approx(power(lead, 2**0.5, 10), abs=0.03)
    assert one.detectable(10) == pytest.approx(detectable(2**0.5, 10), rel=0.04)


def test_a_race_against_several_equals_is_harder_and_far_ones_do_not_count():
    one, five, far = Race(1.0, (0.0,), 0.05), Race(1.0, (0.0,) * 5, 0.05), Race(1.0, (0.0, 50.0, 50.0), 0.05)
    assert five.power(1.0, 10) < one.power(1.0, 10) - 0.1
    assert far.power(1.0, 10) == pytest.approx(one.power(1.0, 10), abs=0.03)
    assert five.detectable(10) > one.detectable(10)


def test_seeds_needed_are_those_with_a_power_of_80_percent():
    test = Race(1.0, (0.0, 0.1, 0.2), 0.05)
    needed = test.seeds_needed(0.8)
    assert needed is not None
    assert test.power(0.8, needed) >= 0.8 > test.power(0.8, needed - 2)
    assert test.seeds_needed(1e-6) is None
    assert test.seeds_needed(-1.0) is None


def test_a_race_is_read_off_scores():
    """The noise without what a seed does to all; rivals that only chance drives apart stand together."""
    rng = np.random.default_rng(0)
    scores = 0.9 + rng.normal(0, 0.05, (200, 1)) + rng.normal(0, 0.01, (200, 5))
    found = race(scores, 0.05)
    assert found.sd == pytest.approx(0.01, rel=0.06)
    assert max(found.gaps) < 0.002
    scores[:, 2] -= 0.1
    assert sorted(race(scores, 0.05).gaps)[-1] == pytest.approx(0.1, abs=0.003)
