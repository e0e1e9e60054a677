"""Limits: what a design may cost, before it is trained."""

import random
import re
import time

import pytest

from attnspace.costs import network as costing
from attnspace.costs.latency import latency
from attnspace.errors import StudyError
from attnspace.objective.limits import Limits
from attnspace.record.ledger import Ledger
from attnspace.search.feasibility import Feasibility
from attnspace.study.loading import prepare

WIDE = {
    "kind": "gate",
    "squeeze": {"kind": "none"},
    "excite": [
        {"kind": "conv2d", "kernel": {"$choice": [1, 3, 5, 7]}, "depthwise": {"$choice": [True, False]}, "out": "C"}
    ],
}


def costs(params: float, flops: float, activation_bytes: float) -> dict[str, float]:
    return {"params": params, "flops": flops, "activation_bytes": activation_bytes}


@pytest.fixture
def wide(tiny):
    """A space of which a few designs are small."""
    tiny["space"]["block"] = {**WIDE, "excite": [{"kind": "conv2d", "kernel": {"$choice": [1, 3, 5, 7]}, "out": "C"}]}
    return tiny


@pytest.mark.parametrize(
    ("limit", "cost", "excess"),
    [
        ({"params": 1000}, 1001, "params 1,001, at most 1,000"),
        ({"params": 1001}, 1001, None),
        ({"params_overhead": 0.1}, 1100, None),
        ({"params_overhead": 0.1}, 1200, "params_overhead 0.2, at most 0.1"),
        ({"params_overhead": 0}, 1001, "params_overhead 0.001, at most 0"),
    ],
)
def test_a_limit_is_on_the_whole_or_over_the_plain_backbone(limit, cost, excess):
    found = Limits(**limit).excesses(costs(cost, 0, 0), costs(1000, 0, 0))
    assert [str(one) for one in found] == ([excess] if excess else [])


def test_the_worst_excess_comes_first():
    limits = Limits(params=100, flops=100)
    found = limits.excesses(costs(150, 300, 0), costs(1, 1, 0))
    assert [one.name for one in found] == ["flops", "params"]


@pytest.mark.parametrize("sampler", ["random", "evolution", "tpe"])
def test_designs_beyond_the_limits_are_never_trained(wide, write, tmp_path, run, sampler):
    wide["objective"] = {"maximize": "val_accuracy", "subject_to": {"params_overhead": 0.2}}
    wide["search"] |= {"trials": 40, "sampler": sampler}
    study = prepare(write(wide))
    outcome, rows = run(study, tmp_path / "run")
    plain = rows[0].costs["params"]
    trials = [row for row in rows if row.role == "trial"]
    assert trials
    assert all(row.costs["params"] <= 1.2 * plain for row in trials)
    assert outcome.exhausted
    within = {
        design.identity
        for design in map(study.design, study.space.enumerate())
        if not Feasibility(study).excesses(design)
    }
    assert {row.design for row in trials} == within


def test_a_design_that_is_too_heavy_is_made_lighter(wide, write):
    wide["objective"] = {"maximize": "val_accuracy", "subject_to": {"params_overhead": 0.2}}
    study = prepare(write(wide))
    feasibility = Feasibility(study)
    heavy = study.space.answered({"block.excite.0.kernel": 7, "placement.stages": "1+2+3"})
    assert feasibility.excesses_of(heavy)
    mended = feasibility.repaired(heavy, random.Random(0))
    assert feasibility.excesses_of(mended) == []


def test_limits_that_nothing_meets_are_told_at_once(wide, write):
    for limits, message in (
        (
            {"params": 100},
            "the backbone alone has params 77,754, at most 100; raise the limit, or take a smaller backbone",
        ),
        (
            {"params_overhead": 0.001},
            "the lightest has params_overhead 0.003498, at most 0.001; raise the limit, or open the space to lighter blocks",
        ),
    ):
        wide["objective"] = {"maximize": "val_accuracy", "subject_to": limits}
        with pytest.raises(StudyError, match=re.escape(message)) as caught:
            Feasibility(prepare(write(wide))).require_feasible()
        assert re.search(r"none of the space's 28 designs meets the limits|nothing meets the limits", str(caught.value))
        assert "objective.subject_to" in str(caught.value)


def test_in_a_large_space_what_is_light_is_found_and_what_is_not_is_told_in_seconds(tiny, write):
    tiny["space"] = {"block": {"$any": "gate"}, "placement": {"stages": {"$subset": [1, 2, 3]}}}
    tiny["objective"] = {"maximize": "val_accuracy", "subject_to": {"params_overhead": 0.0001}}
    Feasibility(prepare(write(tiny))).require_feasible()
    tiny["objective"]["subject_to"] = {"params_overhead": 0.0}
    began = time.monotonic()
    with pytest.raises(StudyError, match=r"none of \d+ random designs, nor one made lighter, meets the limits"):
        Feasibility(prepare(write(tiny))).require_feasible()
    assert time.monotonic() - began < 60  # 10 s on an idle machine


def test_costs_are_those_of_the_network_and_leave_no_trace(wide, write):
    study = prepare(write(wide))
    feasibility = Feasibility(study)
    for filling in list(study.space.enumerate())[::5]:
        design = study.design(filling)
        found = feasibility.costs(design)
        whole = costing.cost(study.network(design), study.data.input_shape)
        assert (found["params"], found["flops"], found["activation_bytes"]) == (
            whole.params,
            whole.flops,
            whole.activation_bytes,
        )


def test_latency_is_measured_once_and_kept(tiny, write, tmp_path, run, monkeypatch):
    tiny["objective"] = {"maximize": "val_accuracy", "minimize": "latency_ms", "subject_to": {"latency_ms": 1000}}
    study = prepare(write(tiny))
    _, rows = run(study, tmp_path / "run")
    assert all(row.costs["latency_low_ms"] <= row.costs["latency_ms"] <= row.costs["latency_high_ms"] for row in rows)

    def not_again(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("attnspace.search.feasibility.latency", not_again)
    ledger = Ledger(tmp_path / "run" / "ledger.db")
    kept = Feasibility(study, ledger)
    assert [kept.costs(design)["latency_ms"] for design in study.baselines] == [
        row.costs["latency_ms"] for row in rows[:5]
    ]


def test_a_latency_is_the_median_of_warm_runs():
    from torch import nn

    calls: list[bool] = []

    class Sleepy(nn.Module):
        def forward(self, x):
            calls.append(self.training)
            time.sleep(0.05 if len(calls) <= 3 else 0.002)
            return x

    model = Sleepy().train()
    found = latency(model, (1, 2, 2), runs=7, warmup=3)
    assert (found.runs, found.batch_size, found.device, calls) == (7, 1, "cpu", [False] * 10)
    assert 2 <= found.low_ms <= found.median_ms <= found.high_ms < 50
    assert model.training
