import re
import sqlite3

import numpy as np
import pandas as pd
import pytest

from attnspace.analysis.verdict import confirmation, judge
from attnspace.record.results import load
from tests.made_run import made_run


def table(n: int = 10, sd: float = 0.004, **leads: float) -> pd.DataFrame:
    """Scores of designs under seeds that they share, each ahead of 0.9 by so much."""
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 0.01, n)
    return pd.DataFrame({name: 0.9 + lead + shared + rng.normal(0, sd, n) for name, lead in leads.items()})


def test_a_lead_is_said_in_one_plain_sentence():
    found = judge(table(mine=0.02, se=0.0, none=-0.01), ["mine"], ["se", "none"])
    assert found.outcome == "better"
    assert re.fullmatch(
        r"mine beats the best baseline, se, by \d\.\d\d \+- \d\.\d\d points, p<0\.001, n=10\.", found.sentence
    )
    assert found.comparison.difference == pytest.approx(0.02, abs=0.004)


def test_what_is_not_distinguishable_says_what_would_be_needed():
    found = judge(table(mine=0.004, se=0.0), ["mine"], ["se"])
    assert found.outcome == "same"
    assert re.fullmatch(
        r"mine and the best baseline, se, are not distinguishable at n=10: \+\d\.\d\d \+- \d\.\d\d points, p=0\.\d+\. "
        r"A true lead of \d\.\d\d points would have been found with a power of 80%; "
        r"for the one seen (about \d+|more than 1,000) seeds would be needed\.",
        found.sentence,
    )


def test_a_worse_design_is_called_worse():
    found = judge(table(mine=-0.03, se=0.0), ["mine"], ["se"])
    assert found.outcome == "worse"
    assert "mine is worse than the best baseline, se: -" in found.sentence


def test_a_design_has_to_beat_every_baseline():
    """Far above one of them, and level with the other."""
    found = judge(table(mine=0.02, se=0.0199, none=0.0), ["mine"], ["se", "none"])
    assert found.outcome == "same"


def test_more_designs_need_a_larger_lead():
    one = judge(table(mine=0.005, se=0.0, other=0.0), ["mine"], ["se"])
    two = judge(table(mine=0.005, se=0.0, other=0.0), ["mine", "other"], ["se"])
    assert two.p == pytest.approx(min(1.0, 2 * one.p))


def test_identical_networks_have_nothing_between_them():
    scores = table(mine=0.0)
    scores["se"] = scores["mine"]
    found = judge(scores, ["mine"], ["se"])
    assert (found.outcome, found.p) == ("same", 1.0)
    assert (
        found.sentence
        == "mine and the best baseline, se, are not distinguishable at n=10: +0.00 +- 0.00 points, p=1.00."
    )


@pytest.mark.parametrize("names", [[], ["se"]])
def test_with_one_seed_or_none_nothing_is_said(names):
    found = judge(table(n=1, mine=0.0, se=0.0), ["mine"], names)
    assert found.outcome == "open"
    assert found.sentence == "Nothing can be said yet: a comparison needs two seeds."


def test_trainings_that_failed_are_left_out_and_told():
    scores = table(mine=0.02, se=0.0)
    scores.loc[3, "mine"] = np.nan
    found = judge(scores, ["mine"], ["se"], {"mine": 1, "other": 2})
    assert found.comparison.n == 9
    assert found.sentence.endswith("n=9. 1 of their trainings failed and are left out.")


def test_trainings_that_were_not_made_are_not_said_to_have_failed(tmp_path):
    scores = table(mine=0.02, se=0.0)
    scores.loc[3, "mine"] = np.nan
    found = judge(scores, ["mine"], ["se"])
    assert found.sentence.endswith(
        "n=9. 1 of their trainings were not made: confirm as many designs again with --seeds 10."
    )
    path = made_run(tmp_path / "run", trials=6, confirmed=4)
    last, other = found_names = confirmation(load(path)).designs["design"][:2]
    assert len(set(found_names)) == 2
    with sqlite3.connect(path / "ledger.db") as connection:
        chosen = (
            "phase = 'confirm' AND seed = (SELECT max(seed) FROM evaluations WHERE phase = 'confirm') AND design = ?"
        )
        connection.execute(f"DELETE FROM evaluations WHERE {chosen}", (last,))
        connection.execute(f"UPDATE evaluations SET outcome = 'failed', test_accuracy = NULL WHERE {chosen}", (other,))
    connection.close()
    designs = confirmation(load(path)).designs.set_index("design")
    assert designs.loc[[last, other], ["n", "failed"]].values.tolist() == [[3, 0], [3, 1]]


def test_identical_designs_are_hardly_ever_told_apart():
    rng = np.random.default_rng(0)
    verdicts = [
        judge(pd.DataFrame(rng.normal(0.9, 0.01, (10, 2)), columns=["a", "b"]), ["a"], ["b"]).outcome for _ in range(60)
    ]
    assert verdicts.count("same") >= 54


def test_a_run_without_a_confirmation_has_none(tmp_path):
    assert confirmation(load(made_run(tmp_path / "run", trials=3))) is None


def test_a_confirmation_is_read_from_the_ledger(tmp_path):
    found = confirmation(load(made_run(tmp_path / "run", trials=6, confirmed=4)))
    assert found is not None
    assert found.scores.shape == (4, 7)
    assert set(found.designs["role"]) == {"trial", "baseline", "control"}
    assert found.designs["mean"].is_monotonic_decreasing
    assert ((found.designs["low"] <= found.designs["mean"]) & (found.designs["mean"] <= found.designs["high"])).all()
    assert len(found.comparisons) == 6
    assert (found.comparisons["p_holm"] >= found.comparisons["p"]).all()
    assert "the plain backbone, which it exceeds by fewer parameters than one channel" in found.controls[0]
    assert "itself with constant gates, which do not look at the image" in found.controls[1]
    assert "the best baseline" in found.verdict.sentence


def test_designs_of_one_label_are_told_apart(tmp_path):
    path = made_run(tmp_path / "run", trials=6, confirmed=3)
    with sqlite3.connect(path / "ledger.db") as connection:
        connection.execute("UPDATE evaluations SET role = 'trial', name = '', label = 'same' WHERE phase = 'confirm'")
    connection.close()
    found = confirmation(load(path))
    assert len(set(found.designs["name"])) == 7
    assert sum(name.startswith("same [residual, all stages] ") for name in found.designs["name"]) == 6
