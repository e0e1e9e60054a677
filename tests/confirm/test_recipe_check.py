"""The confirmed best, the best baseline and the plain network at other learning rates."""

import pandas as pd
import pytest

from attnspace import StudyError, confirm_run, run_study
from attnspace.analysis.recipe_order import recipe_order
from attnspace.analysis.verdict import confirmation
from attnspace.record.results import Results, load


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
    assert found.recipe.holds is None
    assert "cannot be told with fewer than four seeds" in found.recipe.sentence


def checked(tmp_path, monkeypatch, gaps):
    """A recipe check of five seeds: rate -> differences to the plain network."""
    rows = []
    for times, found in gaps.items():
        for seed, gap in enumerate(found):
            common = {"seed": seed, "phase": "recipe", "environment": {"lr": repr(0.1 * times)}}
            rows += [
                {**common, "design": "a", "val_accuracy": 0.5 + gap},
                {**common, "design": "b", "val_accuracy": 0.5},
            ]
    rows += [{**row, "seed": 99, "val_accuracy": 1 - row["val_accuracy"]} for row in rows]  # of another confirmation
    frame = pd.DataFrame(rows)
    study = {"train": {"lr": 0.1}, "objective": {"maximize": "val_accuracy"}}
    monkeypatch.setattr(Results, "confirmed", lambda self: frame.iloc[:0])
    return recipe_order(Results(tmp_path, study, frame), range(5), {"a": "mine", "b": "none"})


UP, DOWN, NEITHER = [0.01, 0.012, 0.011, 0.009, 0.01], [-0.01, -0.012, -0.011, -0.009, -0.01], [0.01, -0.01, 0.02, 0, 0]


@pytest.mark.parametrize(
    ("gaps", "holds"),
    [
        ({1 / 3: UP, 1: UP, 3: UP}, True),
        ({1 / 3: UP, 1: UP, 3: DOWN}, False),
        ({1 / 3: UP, 1: UP, 3: NEITHER}, None),
        ({1 / 3: NEITHER, 1: NEITHER, 3: NEITHER}, None),
    ],
)
def test_the_order_holds_or_changes_where_intervals_say_so(tmp_path, monkeypatch, gaps, holds):
    """Signs of means alone would say "changes" of a lead that chance hides under one rate."""
    found = checked(tmp_path, monkeypatch, gaps)
    assert found.holds is holds
    said = {True: "the order holds", False: "the order changes", None: "cannot be told with so few seeds"}[holds]
    assert said in found.sentence
    assert "mine" in found.sentence


def test_a_run_that_is_not_confirmed_has_no_recipe_check(tiny, write, tmp_path):
    run = run_study(write(tiny), tmp_path / "run").path
    assert recipe_order(load(run), (0, 1), {"a": "mine", "b": "none"}) is None
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
