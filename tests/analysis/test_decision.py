import numpy as np
import pandas as pd
import pytest

from attnspace.analysis.decision import Sides, corrected, decide
from attnspace.analysis.pairs import Pairs

LOOKS = (4, 6, 8, 10)


def table(n: int = 10, sd: float = 0.004, seed: int = 3, **leads: float) -> pd.DataFrame:
    """Scores of names under seeds that they share, each ahead of 0.9 by so much."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.01, n)
    return pd.DataFrame({name: 0.9 + lead + shared + rng.normal(0, sd, n) for name, lead in leads.items()})


def judged(scores, designs=("mine",), baselines=("se", "none"), margin=None, looks=LOOKS, taken=4, **sizes):
    about = Sides(designs, [b for b in baselines if b in scores], "none", dict.fromkeys(scores, 1.0) | sizes)
    return decide(Pairs(scores, looks, taken), about, margin, ended=taken == len(looks))


def test_a_design_that_beats_every_baseline_is_used():
    found = judged(table(mine=0.02, se=0.0, none=-0.01), taken=2)
    assert (found.outcome, found.reason, found.name, found.rival) == ("use", "better", "mine", "se")
    assert found.p < 0.05


def test_a_design_has_to_beat_every_baseline():
    """Far above one of them, and level with the other."""
    assert judged(table(mine=0.02, se=0.0199, none=0.0)).outcome != "use"


def test_where_a_published_block_is_better_than_the_plain_network_it_is_kept():
    found = judged(table(mine=0.0, se=0.02, none=0.0))
    assert (found.outcome, found.name) == ("keep", "se")


def test_where_no_block_is_better_the_plain_network_is_kept():
    found = judged(table(mine=-0.02, se=0.0, none=0.0))
    assert (found.outcome, found.name) == ("keep", "none")


def test_before_the_last_look_a_design_is_given_up_where_it_is_behind_or_hardly_ahead():
    assert judged(table(mine=0.001, none=0.0, sd=1e-3, seed=5), taken=1).outcome == "undecided"
    assert judged(table(mine=-0.02, none=0.0), taken=1).reason == "futile"
    scores = table(mine=0.0, none=0.0)
    scores["mine"] = scores["none"] + np.tile([0.011, -0.01], 5)
    assert judged(scores, taken=1).reason == "futile"


def test_of_several_designs_each_is_given_up_sooner():
    """With more designs a lead has to be larger to be found, and the same lead is less promising."""
    scores = table(mine=0.0, none=0.0, other=-0.02, further=-0.02)
    scores["mine"] = scores["none"] + np.tile([0.02, -0.01], 5)
    assert judged(scores, taken=1).outcome == "undecided"
    assert judged(scores, designs=("mine", "other", "further"), taken=1).reason == "futile"


def test_a_lead_that_chance_may_have_made_is_undecided_and_says_how_many_seeds_would_tell():
    scores = table(mine=0.0, none=0.0)
    scores["mine"] = scores["none"] + np.tile([0.01, -0.006], 5)
    found = judged(scores)
    assert (found.outcome, found.reason) == ("undecided", "open")
    assert 10 < found.needed < 200


def test_what_shares_too_few_seeds_is_not_compared():
    scores = table(mine=0.02, none=0.0)
    scores.loc[:4, "mine"] = np.nan
    scores.loc[7:, "none"] = np.nan
    found = judged(scores)
    assert (found.outcome, found.reason, found.needed) == ("undecided", "nothing", None)


def test_several_designs_are_corrected_for_by_holm():
    scores = table(mine=0.004, none=0.0, other=-0.02)
    one, two = judged(scores), judged(scores, designs=("mine", "other"))
    assert two.p == pytest.approx(min(1.0, 2 * one.p))


def test_a_pair_has_one_p_value_and_the_largest_of_a_design_is_that_of_its_claim():
    scores = table(mine=0.01, se=0.004, none=0.0, other=0.0)
    sides = Sides(("mine", "other"), ("se", "none"), "none", {})
    found = corrected(Pairs(scores, LOOKS, 4), sides)
    assert judged(scores, designs=("mine", "other")).p == max(found["mine", "se"], found["mine", "none"])
    assert set(found) == {(one, two) for one in ("mine", "other") for two in ("se", "none")} | {("se", "none")}


def test_of_two_that_are_practically_the_same_the_cheaper_one_is_recommended():
    scores = table(mine=0.0105, se=0.01, none=0.0, sd=0.001)
    kept = judged(scores, margin=0.005)
    assert (kept.outcome, kept.reason, kept.name) == ("keep", "same", "se")
    used = judged(scores, margin=0.005, mine=0.5)
    assert (used.outcome, used.reason, used.name) == ("use", "same", "mine")
    assert judged(scores, margin=0.0001, mine=0.5).reason != "same"


def test_with_fewer_than_four_seeds_nothing_is_claimed():
    found = judged(table(n=3, mine=0.2, none=0.0), looks=(3,), taken=1)
    assert (found.outcome, found.reason, found.p) == ("undecided", "few", None)


def test_trainings_that_failed_leave_out_their_seeds():
    scores = table(mine=0.02, none=0.0)
    scores.loc[3, "mine"] = np.nan
    pairs = Pairs(scores, LOOKS, 4)
    assert len(pairs.differences("mine", "none")) == 9
    assert judged(scores).outcome == "use"


def test_identical_networks_have_nothing_between_them():
    scores = table(none=0.0)
    scores["mine"] = scores["none"]
    assert judged(scores).outcome == "keep"
    assert Pairs(scores, LOOKS, 4).p("mine", "none") == 1.0
