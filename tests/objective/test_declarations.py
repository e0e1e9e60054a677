"""Costs and metrics: their names are columns of one ledger, and fields of a study's limits."""

import re
import subprocess
import sys

import pytest

from attnspace.costs.declaration import DesignCost, Figure, declare, forget
from attnspace.costs.measured import cost_columns
from attnspace.costs.measured import declared as declared_costs
from attnspace.documents.columns import LEDGER, OWN_METRICS, RESERVED, claim
from attnspace.objective.limits import Limits
from attnspace.objective.metrics import METRICS, Metric, declare_metric
from attnspace.record.evaluation import RENAMED
from attnspace.record.ledger import Ledger
from tests.record.test_ledger import columns

TAKEN = [
    *("seed", "spec", "design", "number", "recipe", "val_accuracy", "test_loss", "names", "limited", "Params", "SEED"),
    *("latency_low_ms", "params", "params_overhead", "params_added", "lr", "epoch", "model_fields", "copy", "rank"),
]
NONE = ["", "two words", "2x", "_hidden", "State", "größe", "class", "a-b", "bytes\n"]


def new_cost(name: str, *further: str) -> DesignCost:
    figure = Figure(name)
    return DesignCost(name, name, lambda subject: 0, figure, figure, further=dict.fromkeys(further, lambda subject: 0))


@pytest.mark.parametrize("name", [*TAKEN, *NONE])
def test_a_name_that_is_taken_or_none_is_refused_for_costs_and_metrics(name):
    before = list(declared_costs()), list(METRICS)
    message = rf"can be called so: .+; got {re.escape(repr(name))}; allowed: .+; give it another name"
    with pytest.raises(ValueError, match=f"no column of a cost {message}"):
        declare(new_cost(name))
    with pytest.raises(ValueError, match=f"no column of a cost {message}"):
        declare(new_cost("fine", name))
    with pytest.raises(ValueError, match=f"no column of a metric {message}"):
        declare_metric(Metric(name, name, "maximize", "val"))
    assert (list(declared_costs()), list(METRICS)) == before


@pytest.mark.parametrize("further", [("fine",), ("FINE",), ("low", "Low")])
def test_two_columns_of_one_cost_have_two_names(further):
    with pytest.raises(ValueError, match=r"identifier|two of its columns"):
        declare(new_cost("fine", *further))


def test_what_was_forgotten_is_free_again():
    for _ in range(2):
        declare(new_cost("fine", "fine_low"))
        for name in ("fine", "fine_low"):
            with pytest.raises(ValueError, match="it is a column of a cost that is there already"):
                declare_metric(Metric(name, name, "maximize", "val"))
        forget("fine")
    claim("metric", "fine_low")


def test_the_columns_of_the_ledger_are_reserved(tmp_path):
    Ledger(tmp_path / "ledger.db").close()
    declared = {*METRICS, *cost_columns()}
    assert set(columns(tmp_path / "ledger.db")) == {*LEDGER, *declared}
    assert RENAMED.keys() <= RESERVED.keys()
    assert tuple(METRICS) == OWN_METRICS


@pytest.mark.parametrize("name", ["params", "latency_low_ms", "val_accuracy"])
def test_names_of_attnspaces_own_are_kept_for_them_whatever_is_imported_first(name):
    figure = f"Figure({name!r})"
    script = f"""
from attnspace.costs.declaration import DesignCost, Figure, declare
declare(DesignCost({name!r}, {name!r}, lambda subject: 0, {figure}, {figure}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ValueError: no column of a cost can be called so" in done.stderr


def test_the_words_of_limits_are_reserved():
    for word in (word for word in dir(Limits) if not word.startswith("_")):
        with pytest.raises(ValueError, match="it is a word of"):
            claim("cost", word)
