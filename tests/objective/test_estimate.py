"""The mean of a design over seeds, estimated from few."""

import numpy as np
import pytest

from attnspace.objective.estimate import estimate

NAN = float("nan")


def drawn(rng, designs=60, seeds=4, between=0.1, within=0.04, further=20):
    """Scores of which all designs have the first seed, and the best few the others; and what they are worth."""
    worth = rng.normal(0.5, between, designs)
    every = worth[:, None] + rng.normal(0, 0.03, seeds) + rng.normal(0, within, (designs, seeds))
    scores = np.full_like(every, NAN)
    scores[:, 0] = every[:, 0]
    best = np.argsort(-every[:, 0])[:further]
    scores[best, 1:] = every[best, 1:]
    return scores, worth


def test_under_one_seed_each_score_is_its_own_estimate():
    found = estimate(np.array([[0.5], [0.7], [0.6]]))
    assert found.means.tolist() == [0.5, 0.7, 0.6]
    assert found.freedom == 0
    assert np.isnan(np.stack(found.interval())).all()


def test_a_lead_under_one_seed_shrinks_more_than_one_under_four():
    rng = np.random.default_rng(0)
    scores, _ = drawn(rng)
    scores = np.vstack([scores, [0.95, NAN, NAN, NAN], [0.95, 0.95, 0.95, 0.95]])
    found = estimate(scores)
    assert found.means[-2] < found.means[-1] < 0.96
    assert found.errors[-2] > 1.5 * found.errors[-1]


@pytest.mark.filterwarnings("ignore:The MLE may be on the boundary")
def test_estimates_are_those_of_a_mixed_model_where_there_is_much_to_learn_from():
    """The restricted maximum likelihood fit of statsmodels, with seeds as fixed effects and designs as random ones."""
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    scores, _ = drawn(rng, designs=150, further=60)
    designs, seeds = np.nonzero(~np.isnan(scores))
    fixed = np.eye(scores.shape[1])[seeds]
    model = sm.MixedLM(scores[designs, seeds], fixed, groups=designs)
    theirs = model.fit(reml=True)
    effects = np.array([np.asarray(theirs.random_effects[number])[0] for number in range(len(scores))])
    found = estimate(scores)
    assert found.within == pytest.approx(theirs.scale**0.5, rel=0.02)
    assert found.between == pytest.approx(float(np.asarray(theirs.cov_re)[0, 0]) ** 0.5, rel=0.03)
    assert found.means == pytest.approx(
        np.mean(theirs.fe_params) + effects, abs=2e-3
    )  # ours leaves those far below out


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(2)
    inside, leaders = [], []
    for _ in range(200):
        scores, worth = drawn(rng)
        found = estimate(scores)
        centred = worth - worth.mean() + found.means.mean()
        low, high = found.interval()
        held = (low <= centred) & (centred <= high)
        inside.append(held.mean())
        leaders.append(held[found.means.argmax()])
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
    assert np.mean(leaders) > 0.85  # the leader was chosen for its luck, too


def test_the_best_estimate_is_worth_more_than_the_best_run():
    rng = np.random.default_rng(3)
    gained = []
    for _ in range(200):
        scores, worth = drawn(rng, between=0.05)
        gained.append(worth[estimate(scores).means.argmax()] - worth[scores[:, 0].argmax()])
    assert np.mean(gained) > 0.005


def test_a_training_that_went_wrong_moves_no_other_estimate():
    scores, _ = drawn(np.random.default_rng(4))
    before = estimate(scores)
    after = estimate(np.vstack([scores, [0.1, NAN, NAN, NAN]]))
    assert after.means[:-1] == pytest.approx(before.means, abs=0.01)
    assert after.means[-1] < 0.2


def test_a_design_far_below_the_others_has_its_own_mean():
    """It is not drawn to the others by numbers that say how little they differ."""
    scores = np.random.default_rng(6).normal(0.9, 0.004, (13, 4))
    scores[4:, 1:] = NAN
    scores[12, 0] = 0.1
    found = estimate(scores)
    low, high = found.interval()
    assert found.means[12] == pytest.approx(0.1, abs=0.01)
    assert low[12] < 0.1 < high[12]


def test_while_one_design_alone_has_several_seeds_designs_rank_as_under_the_first():
    """Else a mean over four seeds would be compared with single lucky runs."""
    found = estimate(np.array([[0.90, 0.80, 0.81, 0.82], [0.88, NAN, NAN, NAN], [0.87, NAN, NAN, NAN]]))
    assert list(np.argsort(-found.means)) == [0, 1, 2]
    assert found.freedom == 0
    assert np.isnan(found.interval()[0]).all()


def test_what_is_no_number_has_no_estimate_and_spoils_none():
    scores, _ = drawn(np.random.default_rng(5))
    before = estimate(scores)
    after = estimate(np.vstack([scores, [NAN] * 4, [-np.inf, NAN, NAN, NAN]]))
    assert after.means[:-2] == pytest.approx(before.means)
    assert np.isnan(after.means[-2])
    assert after.means[-1] == -np.inf
    assert len(estimate(np.empty((0, 4))).means) == 0


def test_what_the_first_seed_did_to_all_is_told():
    rng = np.random.default_rng(6)
    worth = rng.normal(0.5, 0.1, 80)
    scores = worth[:, None] + np.array([0.1, 0.0, 0.0, 0.0]) + rng.normal(0, 0.01, (80, 4))
    assert estimate(scores).shift == pytest.approx(-0.075, abs=0.01)


def test_few_designs_have_estimates_whatever_is_known_of_them():
    """As one design under two seeds beside one far below it, which leaves no noise to tell."""
    found = estimate(np.array([[0.50, 0.51], [0.10, NAN]]))
    assert found.means == pytest.approx([0.505, 0.1], abs=0.02)
    rng = np.random.default_rng(7)
    for _ in range(2_000):
        designs, seeds = rng.integers(1, 6), rng.integers(1, 5)
        scores = rng.choice([0.1, 0.5, 0.51, 0.52, 0.9, 1.0], (designs, seeds))
        scores[np.arange(seeds) >= rng.integers(1, seeds + 1, designs)[:, None]] = NAN
        found = estimate(scores)
        assert np.isfinite(found.means).all(), scores
        assert (np.isfinite(found.errors) | (found.freedom == 0)).all(), scores
