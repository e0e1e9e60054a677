import sqlite3

import pytest

from attnspace.analysis.recommendation import where
from attnspace.analysis.verdict import confirmation
from attnspace.record.results import load
from tests.made_run import made_run


def test_a_run_without_a_confirmation_has_none(tmp_path):
    assert confirmation(load(made_run(tmp_path / "run", trials=3))) is None


def test_a_confirmation_without_a_plan_is_read_as_one_look_at_all_its_seeds(tmp_path):
    found = confirmation(load(made_run(tmp_path / "run", trials=6, confirmed=4)))
    assert found is not None
    assert (found.looks, found.looked, found.ended) == ((4,), 4, True)
    assert found.scores.shape == (4, 7)
    assert set(found.designs["role"]) == {"trial", "baseline", "control"}
    assert found.designs["mean"].is_monotonic_decreasing
    assert ((found.designs["low"] <= found.designs["mean"]) & (found.designs["mean"] <= found.designs["high"])).all()
    assert found.comparisons["family"].value_counts().to_dict() == {
        "designs": 5,
        "published blocks": 4,
        "controls": 1,
    }
    assert not found.comparisons.duplicated(["name", "other"]).any()
    assert set(found.comparisons["interval"]) == {"95% interval over seeds"}
    assert "the plain backbone, which it exceeds by fewer parameters than one channel" in found.controls[0]
    assert "itself with constant gates, which do not look at the image" in found.controls[1]
    assert "the best baseline" in found.sentence


def test_trainings_that_failed_are_left_out_and_told(tmp_path):
    path = made_run(tmp_path / "run", trials=6, confirmed=5)
    name, design = confirmation(load(path)).designs[["name", "design"]].iloc[0]
    with sqlite3.connect(path / "ledger.db") as connection:
        chosen = "phase = 'confirm' AND seed = 1000002 AND design = ?"
        connection.execute(f"UPDATE evaluations SET outcome = 'failed', test_accuracy = NULL WHERE {chosen}", (design,))
    connection.close()
    found = confirmation(load(path))
    assert found.designs.set_index("name").loc[name, ["n", "failed"]].tolist() == [4, 1]
    assert found.controls[-1] == f"Trainings that failed are left out: 1 of {name}."


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        ({}, "before the addition in all stages"),
        ({"position": "post_add", "stages": [2, 3]}, "after the addition in stages 2 and 3"),
        (
            {"position": "mine", "stages": [1], "start": "identity"},
            "at position mine in stage 1, beginning as the identity",
        ),
    ],
)
def test_a_placement_is_said_in_words(placement, words):
    assert where(placement) == words


def test_designs_of_one_label_are_told_apart(tmp_path):
    path = made_run(tmp_path / "run", trials=6, confirmed=3)
    with sqlite3.connect(path / "ledger.db") as connection:
        connection.execute("UPDATE evaluations SET role = 'trial', name = '', label = 'same' WHERE phase = 'confirm'")
    connection.close()
    found = confirmation(load(path))
    assert len(set(found.designs["name"])) == 7
    assert sum(name.startswith("same [residual, all stages] ") for name in found.designs["name"]) == 6
