"""What CONTRIBUTING says of parts of one's own: its examples are declared, searched with, shown and forgotten again."""

import importlib
import re
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

import attnspace
from attnspace.backbones import Backbone
from attnspace.cli.tables import summary_table
from attnspace.costs.declaration import DesignCost, Figure, declare, forget
from attnspace.costs.measured import declared
from attnspace.data import Data
from attnspace.documents.sections import sections_changed
from attnspace.errors import StudyError
from attnspace.modules import statistics
from attnspace.objective.metrics import METRICS
from attnspace.primitives import Statistic
from attnspace.primitives import node as node_module
from attnspace.record.results import load
from attnspace.report.compute import shown_costs
from attnspace.samplers import names
from attnspace.samplers.registry import _SAMPLERS
from attnspace.schemas import study_schema
from attnspace.study.config import load_config
from attnspace.study.loading import prepare
from attnspace.training import Train
from attnspace.training.method import _METHODS
from attnspace.workflow import confirm_run, run_study
from tests.documented import ROOT, blocks, named_files
from tests.test_layering import ROOMS

CONTRIBUTING = "CONTRIBUTING.md"
FILES = named_files(CONTRIBUTING)
PARTS = sorted(name.removesuffix(".py") for name in FILES if name.startswith("my_"))
FAMILIES = (Data, Backbone, Train)
OWN = {
    "data": {"kind": "stripes", "images": 40},
    "train": {"kind": "adam", "epochs": 2},
    "search": {"trials": 3, "sampler": "greedy", "threads": 1, "rungs": {"seeds": 1}},
}


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """The examples as files in a folder, imported; what they declare is forgotten again afterwards."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(folder)
    members = {family: dict(family.members) for family in FAMILIES}
    methods, metrics, samplers, costs = dict(_METHODS), dict(METRICS), dict(_SAMPLERS), declared()
    for part in PARTS:
        importlib.import_module(part)
    yield folder
    for part in PARTS:
        del sys.modules[part]
    for family, before in members.items():
        family.members = before
    for registry, before in ((_METHODS, methods), (METRICS, metrics), (_SAMPLERS, samplers)):
        registry.clear()
        registry.update(before)
    for name in set(declared()) - set(costs):
        forget(name)
    sections_changed()


def test_there_is_an_example_of_each_part():
    assert PARTS == ["my_backbone", "my_cost", "my_data", "my_metric", "my_sampler", "my_training"]


def test_a_study_of_parts_of_ones_own_is_searched_and_shown(parts, tiny, write, tmp_path):
    study = {**tiny, **OWN, "objective": {"maximize": "val_accuracy", "minimize": "state_bytes"}}
    found = run_study(write(study), tmp_path / "run")
    table = attnspace.frame(tmp_path / "run")
    assert list(table["outcome"]) == ["done"] * 8, list(table["reason"])
    assert found.sitting.evaluations == 8
    plain = table[table["name"] == "none"].iloc[0]
    assert plain["state_bytes"] > 4 * plain["params"]  # floats of four bytes, and buffers
    assert (table["state_bytes_added"] == table["state_bytes"] - plain["state_bytes"]).all()
    assert table["val_top3"].eq(1).all()  # of two classes
    assert "state_bytes" in pq.read_table(tmp_path / "run" / "trials.parquet").column_names
    assert [cost.name for cost in shown_costs(found.results)] == ["state_bytes"]
    assert "state_bytes" in [str(column.header) for column in summary_table(found.results).columns]
    report = (tmp_path / "run" / "report.html").read_text()
    assert "kB of weights" in report
    assert "bytes of weights and buffers" in report
    resumed = run_study(write({**study, "search": {**study["search"], "trials": 4}}), tmp_path / "run")
    assert resumed.sitting.evaluations == 1


def test_a_cost_of_ones_own_is_a_limit(parts, tiny, write, tmp_path):
    study = {**tiny, **OWN, "objective": {"maximize": "val_accuracy", "subject_to": {"state_bytes_overhead": 0.01}}}
    run_study(write(study), tmp_path / "run")
    table = attnspace.frame(tmp_path / "run")
    plain = table[table["name"] == "none"].iloc[0]["state_bytes"]
    assert (table.loc[table["role"] == "trial", "state_bytes"] <= 1.01 * plain).all()
    assert "kB of weights" in (tmp_path / "run" / "report.html").read_text()
    study["objective"]["subject_to"] = {"state_bytes": 1_000}
    with pytest.raises(StudyError, match=r"state_bytes [\d,]+, at most 1,000"):
        run_study(write(study), tmp_path / "impossible")


def test_a_cost_of_ones_own_is_added_to_a_run_that_was_begun_without_it(tiny, write, tmp_path, request):
    first = run_study(write(tiny), tmp_path / "run")
    assert "state_bytes" not in first.results.frame
    request.getfixturevalue("parts")
    tiny["search"]["trials"] = 5
    run_study(write(tiny), tmp_path / "run")
    later = attnspace.frame(tmp_path / "run")
    assert later["state_bytes"].isna().sum() == len(first.results.frame)
    assert later["state_bytes"].notna().sum() == 2


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda subject: float("nan"), "the cost faulty is not a number; got NaN; allowed: a finite number"),
        (lambda subject: "many", 'the cost faulty is not a number; got "many"; allowed: a finite number'),
        (lambda subject: subject.weights, "the cost faulty cannot be measured: AttributeError: .* 'weights'; mend"),
    ],
    ids=["nan", "text", "raises"],
)
@pytest.mark.parametrize("limit", [{}, {"faulty": 10}], ids=["no limit", "limit"])
def test_a_cost_that_cannot_be_measured_ends_the_search_before_anything_is_trained(
    tiny, write, tmp_path, run, measure, message, limit
):
    declare(DesignCost("faulty", "Faulty", measure, Figure("faulty"), Figure("faulty")))
    try:
        tiny["objective"] = {"maximize": "val_accuracy", "subject_to": limit}
        with pytest.raises(StudyError, match=message):
            run(prepare(write(tiny)), tmp_path / "run")
    finally:
        forget("faulty")
    assert not (tmp_path / "run" / "ledger.db").exists()


@pytest.mark.parametrize("value", [np.int64(7), np.float32(7), Fraction(7), 7], ids=lambda value: type(value).__name__)
def test_a_cost_is_kept_as_a_number_whatever_kind_of_number_is_measured(tiny, write, tmp_path, run, value):
    declare(DesignCost("seven", "Seven", lambda subject: value, Figure("seven"), Figure("seven")))
    try:
        _, rows = run(prepare(write(tiny)), tmp_path / "run")
        assert {row.costs["seven"] for row in rows} == {7}
        assert (load(tmp_path / "run").frame["seven"] == 7).all()
    finally:
        forget("seven")


def test_a_backbone_and_a_metric_of_ones_own_are_searched_and_confirmed(parts, tiny, write, tmp_path):
    study = {**tiny, **OWN, "data": tiny["data"], "backbone": {"kind": "plain"}, "objective": {"maximize": "val_top3"}}
    study["space"]["placement"] = {"stages": {"$subset": [1, 2]}}
    found = run_study(write(study), tmp_path / "run")
    assert found.results.metric == "val_top3"
    ranked = found.results.ranked()
    assert ranked["val_top3"].is_monotonic_decreasing
    assert (ranked["val_top3"] >= ranked["val_accuracy"]).all()
    assert "validation top-3 accuracy" in (tmp_path / "run" / "report.html").read_text()
    confirmed = confirm_run(tmp_path / "run", top=1, seeds=2)
    assert len(confirmed.scores) == 2
    assert attnspace.frame(tmp_path / "run").query("phase == 'confirm'")["test_accuracy"].notna().all()


def test_a_metric_that_the_training_does_not_report_is_refused_before_anything_is_trained(parts, tiny, write):
    with pytest.raises(StudyError, match=r"train: reports no val_top3"):
        prepare(write({**tiny, "objective": {"maximize": "val_top3"}}))


def attnspace_alone(*arguments):
    """Run a command in a process that has not imported the parts."""
    return subprocess.run([sys.executable, "-m", "attnspace", *arguments], capture_output=True, text=True)


def test_a_run_that_is_ranked_by_a_part_is_not_ranked_without_it(parts, tiny, write, tmp_path):
    study = {**tiny, **OWN, "objective": {"minimize": ["state_bytes", "val_loss"]}}
    run_study(write(study), tmp_path / "run")
    winner = (tmp_path / "run" / "winner.json").read_bytes()
    done = attnspace_alone("report", tmp_path / "run")
    assert done.returncode == 2
    assert "is ranked by state_bytes, which is not declared here" in " ".join(done.stderr.split())
    assert (tmp_path / "run" / "winner.json").read_bytes() == winner


def test_a_run_that_needs_no_part_is_confirmed_without_it(parts, tiny, write, tmp_path):
    run_study(write(tiny), tmp_path / "run")
    assert "state_bytes" not in (tmp_path / "run" / "study.yaml").read_text()
    done = attnspace_alone("confirm", tmp_path / "run", "--top", "1", "--seeds", "2")
    assert done.returncode == 0, done.stderr


def test_schemas_and_messages_know_the_parts(parts, tiny, write):
    study = {**tiny, **OWN, "backbone": {"kind": "plain"}, "objective": {"maximize": ["val_top3"]}}
    study["objective"]["subject_to"] = {"state_bytes": 10_000}
    Draft202012Validator(study_schema()).validate(study)
    assert load_config(write(study))[0].train.lr == 0.01
    with pytest.raises(StudyError, match=r"search\.sampler: .*greedy"):
        load_config(write({**study, "search": {"sampler": "greed"}}))
    with pytest.raises(StudyError, match=r"data\.images: "):
        load_config(write({**study, "data": {"kind": "stripes", "images": 1}}))


def test_afterwards_everything_is_forgotten(tiny, write):
    assert "state_bytes" not in declared()
    assert "val_top3" not in METRICS
    assert "greedy" not in names()
    for section, kind in (("data", "stripes"), ("train", "adam"), ("backbone", "plain")):
        with pytest.raises(StudyError, match=rf"{section}.*unknown kind '{kind}'"):
            load_config(write({**tiny, section: {"kind": kind}}))


def test_the_script_searches_with_parts_of_ones_own_in_several_processes(parts, tiny, write, tmp_path):
    imports = "".join(f"import {part}  # noqa: F401\n" for part in PARTS)
    script = FILES["with_my_parts.py"].replace("import my_cost  # noqa: F401\n", imports)
    assert script.count("import my_") == len(PARTS)
    (parts / "with_my_parts.py").write_text(script)
    objective = {"maximize": "val_top3", "subject_to": {"state_bytes_overhead": 0.05}}
    study = {**tiny, **OWN, "objective": objective, "search": {**OWN["search"], "trials": 1, "workers": 2}}
    command = [sys.executable, parts / "with_my_parts.py", "search", write(study), "--run", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = attnspace.frame(tmp_path / "run")
    assert list(table["outcome"]) == ["done"] * 6
    assert table["worker"].nunique() == 2
    assert "state_bytes" in done.stdout


def test_the_example_of_a_primitive_is_one(tmp_path, monkeypatch):
    python = blocks(CONTRIBUTING, "python")
    spec, module = (next(block for block in python if f"class {name}(" in block) for name in ("Min", "MinModule"))
    members = dict(Statistic.members)
    exec(compile(module, CONTRIBUTING, "exec"), statistics.__dict__)
    (tmp_path / "example_of_min.py").write_text(spec)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        importlib.import_module("example_of_min")
        block = attnspace.parse_spec({"kind": "gate", "squeeze": {"kind": "global", "stats": ["min"]}})
        assert "MinModule" in repr(attnspace.build(block, 8))
    finally:
        Statistic.members = members
        node_module._REGISTRY.stale = True
        del statistics.MinModule, sys.modules["example_of_min"]


def rows(cells: int) -> list[list[str]]:
    """The rows of CONTRIBUTING's tables that have so many cells."""
    lines = (ROOT / CONTRIBUTING).read_text("utf-8").splitlines()
    split = [re.split(r" \| ", line.strip("| ")) for line in lines if line.startswith("| ") and "---" not in line]
    return [row for row in split if len(row) == cells]


def test_the_table_of_rooms_is_the_order_that_is_held():
    listed = [row[0].strip("`") for row in rows(3) if row[0].startswith("`")]
    assert listed == list(ROOMS)


def test_the_walks_lead_to_lines_that_are_there():
    steps = [
        re.search(r"\[(.*?)\]\((.*?)\) \| `(.*)` \|", line)
        for line in (ROOT / CONTRIBUTING).read_text("utf-8").splitlines()
    ]
    steps = [step for step in steps if step]
    assert len(steps) == 9
    for step in steps:
        assert step[1] == step[2]
        lines = [line.strip() for line in (ROOT / step[2]).read_text("utf-8").splitlines()]
        assert lines.count(step[3]) == 1, step[0]
