"""The confirmed best, the best baseline and the plain network at other learning rates."""

import pytest

from attnspace import StudyError, confirm_run, run_study
from attnspace.analysis.recipe_order import recipe_order
from attnspace.analysis.verdict import confirmation
from attnspace.record.results import load


@pytest.fixture
def confirmed(tiny, write, tmp_path):
    tiny["confirm"] = {"top": 1, "seeds": 2}
    run = run_study(write(tiny), tmp_path / "run").path
    confirm_run(run)
    return run


def test_three_designs_are_trained_at_a_third_and_three_times_the_learning_rate(confirmed):
    before = confirmation(load(confirmed))
    found = confirm_run(confirmed, recipe_check=True)
    rows = load(confirmed).frame.query("phase == 'recipe'")
    rates = sorted({float(environment["lr"]) for environment in rows["environment"]})
    assert rates == pytest.approx([0.02 / 3, 0.06])
    best = before.designs.set_index("name").loc[before.decision.best, "design"]
    assert best in set(rows["design"])
    assert "none" in set(rows["name"])
    assert set(rows["seed"]) == set(before.scores.index)
    assert rows["test_accuracy"].isna().all()  # the test images were looked at once
    assert found.recommendation == before.recommendation
    assert sorted(found.recipe.table["times"].unique()) == pytest.approx([1 / 3, 1, 3])
    assert found.sentence.startswith(before.sentence)
    assert "at the study's learning rate" in found.sentence
    assert "at 3 times the learning rate" in found.sentence


def test_a_check_that_was_made_is_not_made_again(confirmed):
    confirm_run(confirmed, recipe_check=True)
    before = load(confirmed).frame
    confirm_run(confirmed, recipe_check=True)
    assert len(load(confirmed).frame) == len(before)


def test_what_the_check_says_is_what_the_differences_are(confirmed):
    found = confirm_run(confirmed, recipe_check=True)
    results = load(confirmed)
    rows = results.frame[results.frame["phase"] != "search"]
    best = next(row["design"] for _, row in rows.query("phase == 'recipe'").iterrows() if row["role"] == "trial")
    times = [float(e["lr"]) / 0.02 if "lr" in e else 1.0 for e in rows["environment"]]
    of_plain = found.recipe.table.query("other == 'none'").set_index("times")["difference"]
    for rate, difference in of_plain.items():
        part = rows[[abs(one - rate) < 1e-9 for one in times]].pivot(
            index="seed", columns="design", values="val_accuracy"
        )
        plain = rows.loc[rows["name"] == "none", "design"].iloc[0]
        assert difference == pytest.approx((part[best] - part[plain]).dropna().mean())
    assert found.recipe.holds == all(
        (part > 0).all() or (part < 0).all() for _, part in found.recipe.table.groupby("other")["difference"]
    )


def test_a_run_that_is_not_confirmed_has_no_recipe_check(tiny, write, tmp_path):
    run = run_study(write(tiny), tmp_path / "run").path
    assert recipe_order(load(run)) is None
    assert confirmation(load(run)) is None


def test_a_loop_without_a_learning_rate_is_refused(tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text(
        "def train(model, task):\n    return {'val_accuracy': 0.5, 'val_loss': 1.0, 'test_accuracy': 0.5}\n"
    )
    tiny["train"] = {"import": "loop.py:train"}
    tiny["confirm"] = {"top": 1, "seeds": 2}
    run = run_study(write(tiny), tmp_path / "run").path
    with pytest.raises(StudyError, match=r"has no learning rate that could be changed; .*leave --recipe-check out"):
        confirm_run(run, recipe_check=True)
