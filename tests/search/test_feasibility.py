"""Costs of designs are those of the design alone, whatever was asked before."""

from dataclasses import replace

import pytest

from attnspace.errors import SpecError
from attnspace.search import feasibility as feasibility_module
from attnspace.search.feasibility import Feasibility
from attnspace.study.loading import prepare

LARGE = {"kind": "gate", "squeeze": {"kind": "none"}, "excite": [{"kind": "conv2d", "kernel": 17, "out": "C"}]}


@pytest.fixture
def limited(tiny):
    """A study in which the large block can be built at the channels of two stages, but not of the third."""
    tiny["backbone"]["width"] = 128
    tiny["space"] = {
        "block": {"$choice": [{"$published": "se"}, LARGE]},
        "placement": {"stages": {"$choice": [[1], [1, 2, 3]]}},
    }
    tiny["objective"] = {"maximize": "val_accuracy", "subject_to": {"params": 100_000_000}}
    return tiny


def test_a_block_that_is_too_large_leaves_nothing_behind(limited, write):
    study = prepare(write(limited))
    designs = [study.design(filling) for filling in study.space.enumerate()]
    feasibility, refused = Feasibility(study), []
    for design in designs * 2:
        if feasibility.allows(design):
            assert feasibility.costs(design) == Feasibility(study).costs(design)
        else:
            refused.append(design)
            with pytest.raises(SpecError, match=r"stage3\.block1\.residual: .* parameters at 512 channels"):
                feasibility.costs(design)
    assert [design.document.placement.stages for design in refused] == [(1, 2, 3)] * 2


def test_a_search_passes_over_blocks_that_are_too_large(limited, write, tmp_path, run):
    limited["search"] |= {"trials": 10, "sampler": "random"}
    limited["train"] |= {"epochs": 1, "batch_size": 25}
    limited["data"]["train_images"] = 50
    outcome, rows = run(prepare(write(limited)), tmp_path / "run")
    assert outcome.exhausted
    assert {row.outcome for row in rows} == {"done"}
    assert len([row for row in rows if row.role == "trial"]) == 2  # SE at all stages is a baseline


def test_what_a_recorded_trial_costs_is_not_measured_again(tiny, write, tmp_path, run, monkeypatch):
    study = prepare(write(tiny))
    _, rows = run(study, tmp_path / "run")
    measured = []
    monkeypatch.setattr(feasibility_module, "measure", lambda subject, timed: measured.append(subject) or {})
    feasibility = Feasibility(study)
    feasibility.recall(rows)
    for row in rows:
        expected = row.costs if row.role == "trial" else {}  # limits are ratios to the plain network of today
        assert feasibility.costs(study.recorded_design(row.spec, row.choices, row.design)) == expected
    assert len(measured) == len(study.baselines)
    trial = next(row for row in rows if row.role == "trial")
    feasibility = Feasibility(study)
    feasibility.recall([replace(trial, costs=trial.costs | {"params": None})])  # by a ledger without that column
    assert feasibility.costs(study.recorded_design(trial.spec, trial.choices, trial.design)) == {}
