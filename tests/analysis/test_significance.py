import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from attnspace.analysis.significance import holm, p_value, seeds_needed, t_value


def test_the_p_value_is_that_of_a_paired_t_test():
    differences = np.random.default_rng(0).normal(0.004, 0.003, 10)
    expected = stats.ttest_1samp(differences, 0.0)
    assert p_value(differences) == pytest.approx(expected.pvalue)
    assert t_value(differences) == pytest.approx(expected.statistic)


def test_equal_differences_are_judged_by_their_signs():
    assert p_value(np.full(5, 0.01)) == 2**-4
    assert t_value(np.full(5, -0.01)) == -np.inf
    assert p_value(np.zeros(5)) == 1.0
    assert p_value(np.array([0.3])) == 1.0


@pytest.mark.parametrize("p_values", [[], [0.04], [0.01, 0.04, 0.03], [0.5, 0.5, 0.001, 0.2], [1.0, 0.9]])
def test_the_correction_is_that_of_holm(p_values):
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(list(expected))


def test_seeds_needed_are_the_fewest_with_a_power_of_80_percent():
    needed = seeds_needed(0.5, 1.0)
    assert TTestPower().power(0.5, needed, 0.05) >= 0.8 > TTestPower().power(0.5, needed - 1, 0.05)
    assert seeds_needed(0.5, 1.0, 0.05 / 3) > needed
    assert seeds_needed(1e-5, 1.0) is None
    assert seeds_needed(9.0, 1.0) == seeds_needed(1.0, 0.0) == 4
    assert seeds_needed(0.0, 0.0) is None
