import numpy as np
import pandas as pd
import pytest

from attnspace.analysis.rungs import rungs
from attnspace.record.results import Results

END, RUNG = 9, 3


def searched(designs: int, correlation: float, promoted: float, seed: int = 0, direction: str = "maximize") -> Results:
    """A run whose values at the rung and at the end have this correlation, and whose best share at the rung went on."""
    rng = np.random.default_rng(seed)
    at_rung = rng.normal(size=designs)
    at_end = correlation * at_rung + np.sqrt(1 - correlation**2) * rng.normal(size=designs)
    went_on = at_rung >= np.quantile(at_rung, 1 - promoted)
    metric, sign = ("val_accuracy", 1) if direction == "maximize" else ("val_loss", -1)
    rows = []
    for number in range(designs):
        values = {RUNG: 0.5 + sign * 0.05 * at_rung[number]}
        if went_on[number]:
            values[END] = 0.7 + sign * 0.05 * at_end[number]
        row = {"phase": "search", "role": "trial", "design": str(number), "seed": 0, "choices": {}}
        row |= {"outcome": "done" if went_on[number] else "paused", "epochs": max(values), metric: values[max(values)]}
        rows.append(row | {"history": [{"epoch": epoch, metric: value} for epoch, value in values.items()]})
    return Results(None, {"objective": {direction: metric}}, pd.DataFrame(rows))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.8])
def test_a_correlation_is_found_though_the_best_of_the_rung_alone_went_on(correlation, direction):
    found = [rungs(searched(300, correlation, 1 / 3, seed, direction))[0] for seed in range(20)]
    assert np.mean([told.correlation for told in found]) == pytest.approx(correlation, abs=0.06)
    assert np.mean([told.low <= correlation <= told.high for told in found]) >= 0.85
    assert {(told.epochs, told.following, told.designs) for told in found} == {(RUNG, END, 100)}


def test_the_figures_are_said_in_a_sentence():
    said = rungs(searched(300, 0.0, 1 / 3))[0].sentence
    assert said.startswith("The values of designs at epoch 3 and at epoch 9 have a correlation of ")
    assert said.endswith(" 95% interval, 100 designs).")


def test_nothing_is_said_of_few_designs_or_of_values_that_do_not_differ():
    assert rungs(searched(27, 0.5, 1 / 3)) == []
    same = searched(60, 0.5, 1 / 2)
    for history in same.frame["history"]:
        history[0]["val_accuracy"] = 0.5
    same.frame.loc[same.frame["epochs"] == RUNG, "val_accuracy"] = 0.5
    assert rungs(same) == []
