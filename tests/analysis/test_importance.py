import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attnspace.analysis.importance import importance
from attnspace.record.results import Results, load
from tests.made_run import made_run

EPOCHS, RUNG = 9, 3


def run(designs: int, value, direction: str = "maximize", promoted: float = 1.0, noise: float = 0.01) -> Results:
    """A run whose trials have the value that their choices give them."""
    rng = random.Random(0)
    rows = []
    for number in range(designs):
        kind = rng.choice(["fc", "conv"])
        choices = {"kind": kind, "activation": rng.choice(["sigmoid", "tanh"]), "idle": rng.choice([1, 2, 3, 4])}
        choices[f"kind[{kind}].size"] = rng.choice([2, 4, 8] if kind == "fc" else [3, 5, 7])
        reached = value(choices) + rng.gauss(0, noise)
        until = EPOCHS if rng.random() < promoted else RUNG
        metric = "val_accuracy" if direction == "maximize" else "val_loss"
        history = [{"epoch": epoch, metric: reached * (0.5 + 0.5 * epoch / EPOCHS)} for epoch in range(1, until + 1)]
        rows.append(
            {
                "phase": "search",
                "role": "trial",
                "outcome": "done" if until == EPOCHS else "paused",
                "design": str(number),
                "seed": 0,
                "epochs": until,
                "choices": choices,
                "history": history,
                metric: history[-1][metric],
            }
        )
    return Results(None, {"objective": {direction: metric}}, pd.DataFrame(rows))


def planted(choices) -> float:
    """`kind` matters most; `size` only inside fc; `activation` a little; `idle` not at all."""
    size = {2: 0.0, 4: 0.1, 8: 0.2}[choices["kind[fc].size"]] if choices["kind"] == "fc" else 0.0
    return 0.5 + 0.2 * (choices["kind"] == "fc") + size + 0.05 * (choices["activation"] == "tanh")


def test_shares_rank_choices_by_what_they_decide():
    found = importance(run(150, planted))
    shares = found.holes.set_index("hole")
    assert list(found.holes["hole"][:2]) == ["kind", "kind[fc].size"]
    assert shares.loc["idle", "forest"] < 0.02 < shares.loc["activation", "forest"]
    assert shares.loc["kind[conv].size", "forest"] < shares.loc["kind[fc].size", "forest"]
    assert found.fit > 0.9
    assert (shares["forest_low"] <= shares["forest"] + 1e-9).all()
    assert (shares["forest"] <= shares["forest_high"] + 1e-9).all()


def test_ped_anova_agrees_on_what_matters_most():
    shares = importance(run(200, planted)).holes.set_index("hole")["ped_anova"]
    assert shares["kind"] + shares["kind[fc].size"] > 0.6
    assert shares["idle"] < 0.2
    assert shares.sum() == pytest.approx(1.0)


def test_a_hole_inside_an_option_is_compared_where_it_was_asked():
    found = importance(run(150, planted))
    shares = found.holes.set_index("hole")
    assert shares.loc["kind[fc].size", "asked"] + shares.loc["kind[conv].size", "asked"] == 150
    assert shares.loc["kind", "asked"] == 150
    assert shares.loc["kind[fc].size", "forest"] > 0.6  # within fc little else matters


def test_effects_are_those_that_were_planted():
    effects = importance(run(200, planted)).effects.set_index(["hole", "option"])
    assert effects.loc[("activation", "tanh"), "effect"] == pytest.approx(0.025, abs=0.01)
    assert effects.loc[("kind[fc].size", "8"), "effect"] == pytest.approx(0.1, abs=0.03)
    assert effects.loc[("kind", "fc"), "effect"] == pytest.approx(0.15, abs=0.04)
    tanh = effects.loc[("activation", "tanh")]
    assert tanh["low"] > 0
    assert tanh["n"] + effects.loc[("activation", "sigmoid"), "n"] == 200


def test_a_loss_that_goes_down_is_an_effect_that_goes_up():
    effects = importance(run(150, planted, "minimize")).effects.set_index(["hole", "option"])
    assert effects.loc[("kind", "conv"), "effect"] > 0.05


def test_designs_that_stopped_at_a_rung_count():
    found = importance(run(150, planted, promoted=0.2))
    assert found.designs == 150
    assert list(found.holes["hole"][:2]) == ["kind", "kind[fc].size"]


def test_where_nothing_matters_the_fit_says_so():
    found = importance(run(150, lambda choices: 0.5, noise=0.05))
    assert found.fit < 0.1


def test_few_designs_say_nothing(tmp_path):
    assert importance(load(made_run(tmp_path / "run", trials=19))) is None
    found = importance(load(made_run(tmp_path / "more", trials=24, paused=10)))
    assert found.designs == 24


def test_the_same_run_has_the_same_shares():
    one, other = (importance(run(60, planted)).holes for _ in range(2))
    pd.testing.assert_frame_equal(one, other)


def test_numbers_of_many_values_are_shown_in_quarters():
    results = run(120, planted)
    for i, choices in enumerate(results.frame["choices"]):
        choices["idle"] = i / 120
    effects = importance(results).effects.query("hole == 'idle'")
    assert len(effects) == 4
    assert effects["n"].sum() == 120
    assert np.allclose(effects["n"], 30, atol=1)


def diverged(results: Results, value: float, number: int = 3) -> Results:
    """The run with one design whose metric is this value in every epoch."""
    frame = results.frame.copy()
    metric = results.metric
    frame[metric] = frame[metric].astype(float)
    frame.loc[number, metric] = value
    frame.at[number, "history"] = [{**epoch, metric: value} for epoch in frame.at[number, "history"]]
    return Results(results.path, results.study, frame)


@pytest.mark.parametrize(
    ("direction", "value"),
    [("maximize", -5.0), ("minimize", 1e30), ("minimize", float("inf")), ("minimize", float("nan"))],
)
def test_one_diverged_design_bends_no_share_and_no_effect(direction, value):
    results = run(150, planted, direction)
    before, after = importance(results), importance(diverged(results, value))
    assert (before.outside, after.outside) == (0, 1)
    assert after.fit > 0.8
    one, other = (found.holes.set_index("hole")["forest"] for found in (before, after))
    assert (one - other.reindex(one.index)).abs().max() < 0.1
    one, other = (found.effects.set_index(["hole", "option"])["effect"] for found in (before, after))
    assert (one - other.reindex(one.index)).abs().max() < 0.05


def test_an_option_that_one_design_took_has_no_effect():
    results = run(60, planted)
    results.frame["choices"].iloc[0]["activation"] = "gaussian"
    effects = importance(results).effects
    assert "gaussian" not in set(effects["option"])
    assert effects["n"].min() > 1


def test_where_the_model_predicts_nothing_it_says_so():
    assert not importance(run(150, lambda choices: 0.5, noise=0.05)).predicts
    assert importance(run(150, planted)).predicts


def test_a_hole_whose_other_option_was_seen_once_has_no_share():
    once = run(60, planted)
    for number, choices in enumerate(once.frame["choices"]):
        choices["rare"] = "other" if number == 7 else "usual"
    assert "rare" not in set(importance(once).holes["hole"])


def test_the_shipped_example_has_no_share_above_one():
    example = Path(__file__).parents[2] / "studies" / "example"
    holes = importance(load(example)).holes
    assert len(holes) > 5
    assert (holes[["forest", "forest_high"]].to_numpy() <= 1).all()
    assert (holes["asked"] > 3).all()
