import math
import runpy
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from attnspace.backbones.libraries import imported
from attnspace.confirm.confirm import confirm
from attnspace.data import DigitsConfig
from attnspace.errors import RunError, StudyError, TrainingDiverged, TrainingFailed
from attnspace.record.ledger import Ledger
from attnspace.record.results import load as load_run
from attnspace.report import write_report
from attnspace.search.progress import Watcher
from attnspace.study.loading import prepare, prepare_run
from attnspace.training.loop import Report, run_loop
from tests.searching import with_search

LOOPS = Path(__file__).parents[2] / "studies" / "loops"
DATA = DigitsConfig(train_images=60).load()


WITH_ATTENTION = """def train(model, report):
    if sum(parameter.numel() for parameter in model.parameters()) > 77_754:
        {}
    return {{"val_accuracy": 0.5}}
"""
"""A loop in which something happens to every network but the plain one of `tiny`."""


def describe(**more) -> Report:
    return Report(**{"seed": 0, "epochs": 2, "device": torch.device("cpu"), "data": DATA, **more})


def test_the_example_searches_and_is_confirmed(tmp_path, run):
    study = prepare(LOOPS / "plain.yaml")
    study = with_search(study, trials=2)
    _, rows = run(study, tmp_path / "run")
    assert [row.outcome for row in rows] == ["done"] * (7 + 3)  # the better one under three further seeds
    assert all(len(row.history) == 5 and row.history[-1]["val_accuracy"] == row.metrics["val_accuracy"] for row in rows)
    assert max(row.metrics["val_accuracy"] for row in rows) > 0.8
    assert {row.environment["steps"] for row in rows} == {f"{LOOPS / 'plain.py'}:train"}
    again = prepare_run(tmp_path / "run")
    ledger = Ledger(tmp_path / "run" / "ledger.db")
    trained = confirm(again, load_run(tmp_path / "run"), ledger, Watcher(), top=1, seeds=2)
    assert trained >= 12
    tested = [row for row in ledger.rows() if row.phase == "confirm"]
    assert all(0.5 < row.metrics["test_accuracy"] <= 1 and row.metrics["test_loss"] > 0 for row in tested)


@pytest.mark.filterwarnings("ignore")  # Lightning's own, of its dependencies
def test_the_lightning_example_searches(tmp_path, run):
    imported("torchvision")  # torchmetrics imports it
    config = yaml.safe_load((LOOPS / "plain.yaml").read_text())
    config["train"] = {"import": str(LOOPS / "lightning_loop.py:train"), "epochs": 2}
    config["search"] |= {"trials": 1, "rungs": {"seeds": 1}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    study = prepare(tmp_path / "study.yaml")
    _, rows = run(study, tmp_path / "run")
    assert [row.outcome for row in rows] == ["done"] * 6, [row.reason for row in rows]
    assert all(len(row.history) == 2 for row in rows)
    assert max(row.metrics["val_accuracy"] for row in rows) > 0.3
    ledger = Ledger(tmp_path / "run" / "ledger.db")
    confirm(study, load_run(tmp_path / "run"), ledger, Watcher(), top=1, seeds=2)
    assert all(row.metrics["test_accuracy"] is not None for row in ledger.rows() if row.phase == "confirm")


def test_the_example_without_a_study_searches():
    own = runpy.run_path(str(LOOPS / "own_search.py"))
    torch.manual_seed(0)
    study = own["main"](trials=3)
    assert len(study.trials) == 3
    assert study.best_value > 0.5


def test_what_is_reported_is_the_history_and_what_is_returned_the_result():
    heard = []

    def loop(model, report, lr):
        assert (report.seed, lr) == (0, 0.5)
        report(val_loss=2.0, train_loss=1.0)
        report(val_loss=torch.tensor(1.5), lr=0.1)
        return {"val_accuracy": 0.5, "val_loss": 1.25, "f1": 0.4}

    report = describe(on_epoch=heard.append)
    assert run_loop(loop, nn.Identity(), report, {"lr": 0.5}, ["val_accuracy"]) == {}
    first, last = report.history
    assert (first.epoch, first.metrics["val_loss"], first.metrics["train_loss"], first.metrics["val_accuracy"]) == (
        1,
        2.0,
        1.0,
        None,
    )
    assert (last.epoch, last.metrics["val_loss"], last.metrics["lr"], last.metrics["val_accuracy"]) == (
        2,
        1.25,
        0.1,
        0.5,
    )
    assert [epoch.epoch for epoch in heard] == [1, 2]


def test_a_loop_that_reports_nothing_has_one_entry():
    report = describe()
    run_loop(lambda model, report: {"val_accuracy": 1}, nn.Identity(), report, {}, ["val_accuracy"])
    assert [(epoch.epoch, epoch.metrics["val_accuracy"]) for epoch in report.history] == [(2, 1.0)]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, r"the loop returned NoneType; allowed: a mapping of metrics to numbers"),
        ({}, r"the loop returned no val_accuracy; it returned nothing"),
        ({"accuracy": 1.0}, r"the loop returned no val_accuracy; it returned accuracy"),
        ({"val_accuracy": "high"}, r"val_accuracy is 'high'; allowed: a number"),
    ],
)
def test_what_cannot_be_used_is_said(returned, message):
    with pytest.raises(TrainingFailed, match=message):
        run_loop(lambda model, report: returned, nn.Identity(), describe(), {}, ["val_accuracy"])


def test_a_confirmation_needs_a_test_accuracy():
    with pytest.raises(TrainingFailed, match="returned no test_accuracy; it returned val_accuracy"):
        run_loop(
            lambda model, report: {"val_accuracy": 1.0}, nn.Identity(), describe(confirming=True), {}, ["val_accuracy"]
        )


def test_a_metric_that_is_no_number_is_a_divergence():
    with pytest.raises(TrainingDiverged, match="val_loss became nan"):
        describe()(val_loss=math.nan)


@pytest.mark.parametrize(
    ("said", "metrics", "message"),
    [
        (0, {"accuracy": 1.0}, r"report\(accuracy=\.\.\.\): allowed: train_loss, val_loss, val_accuracy, lr"),
        (2, {"val_loss": 1.0}, r"report was called more often than the 2 epochs asked for"),
    ],
)
def test_a_report_that_cannot_be_right_is_refused(said, metrics, message):
    report = describe()
    for _ in range(said):
        report(val_loss=1.0)
    with pytest.raises(TrainingFailed, match=message):
        report(**metrics)


def test_an_accuracy_in_percent_is_refused():
    with pytest.raises(TrainingFailed, match=r"val_accuracy is 97.0; allowed: 0 to 1"):
        describe()(val_accuracy=97.0)


@pytest.mark.parametrize(("calls", "expected"), [(0, [3]), (1, [1]), (3, [1, 2, 3])])
def test_a_loop_may_report_some_epochs_only(tiny, write, tmp_path, run, calls, expected):
    (tmp_path / "loop.py").write_text(
        "def train(model, report):\n"
        f"    for i in range({calls}): report(val_accuracy=0.1 * i)\n"
        "    params = sum(p.numel() for p in model.parameters())\n"
        "    return {'val_accuracy': 1 / params}\n"
    )
    tiny["train"] = {"import": "loop.py:train", "epochs": 3}
    tiny["search"]["trials"] = 22
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert all([entry["epoch"] for entry in row.history] == expected for row in rows)
    write_report(load_run(tmp_path / "run"))
    assert "What matters" in (tmp_path / "run" / "report.html").read_text()


def test_a_loop_that_exits_is_a_failed_trial(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text(WITH_ATTENTION.format("raise SystemExit(1)"))
    tiny["train"] = {"import": "loop.py:train"}
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert len(rows) == 8
    assert {row.reason for row in rows} == {None, "Exited: it ends the process, by sys.exit(1) (loop.py:3)"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"import": "loop.py:train", "epoch": 2}, r"train\.epoch: unknown key 'epoch'; got 2; .*did you mean 'epochs'"),
        (
            {"import": "loop.py:train", "args": {"lrr": 1}},
            r"train\.import: cannot be called with a model, a report and",
        ),
        ({"import": "loop.py:helper"}, r"train\.import: cannot be called .* got \"helper\(a\)\""),
    ],
)
def test_wrong_keys_and_arguments_are_named(tiny, write, tmp_path, section, message):
    (tmp_path / "loop.py").write_text("def helper(a): ...\ndef train(model, report, lr=1): ...\n")
    tiny["train"] = section
    with pytest.raises(StudyError, match=message):
        prepare(write(tiny))


def test_code_that_changed_is_said_on_resuming(tiny, write, tmp_path, run):
    tiny["train"] = {"import": "loop.py:train"}
    for accuracy in ("0.5", "0.6"):
        (tmp_path / "loop.py").write_text(f"def train(model, report): return {{'val_accuracy': {accuracy}}}\n")
        study = prepare(write(tiny))
        if accuracy == "0.5":
            run(study, tmp_path / "run")
    with pytest.raises(
        RunError, match=r"was begun when the files that it imports functions from held other code; undo"
    ):
        run(study, tmp_path / "run")


def test_a_confirmation_whose_trainings_all_fail_ends(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text("def train(model, report): return {'val_accuracy': 0.5}\n")
    tiny["train"] = {"import": "loop.py:train"}
    study = prepare(write(tiny))
    run(study, tmp_path / "run")
    ledger = Ledger(tmp_path / "run" / "ledger.db")
    with pytest.raises(StudyError, match=r"every network fails alike.*: the loop returned no test_accuracy"):
        confirm(study, load_run(tmp_path / "run"), ledger, Watcher(), top=1, seeds=5)
    assert not [row for row in ledger.rows() if row.phase == "confirm"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gone.py:train", r"study\.yaml:\d+: train\.import: there is no file .*gone\.py"),
        (
            "no.such.module:train",
            r"train\.import: cannot be imported: No module named 'no'; .*allowed: package\.module",
        ),
        ("loop.py:trian", r"train\.import: has no 'trian'; got .loop\.py:trian.; allowed: .*train"),
        ("loop.py:NUMBER", r"train\.import: is no function; got .loop\.py:NUMBER."),
        ("broken.py:train", r"train\.import: raises ZeroDivisionError when imported: division by zero"),
        ("loop.py", r"train\.import: should be package\.module:function or file\.py:function"),
    ],
)
def test_a_loop_that_cannot_be_imported_is_found_before_anything_runs(tiny, write, tmp_path, target, message):
    (tmp_path / "loop.py").write_text("NUMBER = 1\ndef train(model, report): ...\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    tiny["train"] = {"import": target}
    with pytest.raises(StudyError, match=message):
        prepare(write(tiny))
    assert not [name for name in sys.modules if name.startswith("attnspace_imported_broken")]


def test_a_module_of_the_folder_one_is_in_is_found(tiny, write, tmp_path, monkeypatch):
    (tmp_path / "here_alone.py").write_text("def train(model, report): ...\n")
    monkeypatch.chdir(tmp_path)
    tiny["train"] = {"import": "here_alone:train"}
    assert prepare(write(tiny)).rungs == ((20, 1),)


def test_rungs_that_are_asked_for_of_a_loop_are_refused(tiny, write, tmp_path):
    tiny["train"] = {"import": "loop.py:train"}
    tiny["search"]["rungs"] = {"first": 2}
    with pytest.raises(StudyError, match=r"search\.rungs\.first: needs a training that can pause; .*leave first out"):
        prepare(write(tiny))


def test_a_loop_that_raises_is_a_failed_trial(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text(WITH_ATTENTION.format("raise ValueError('it is too wide')"))
    tiny["train"] = {"import": "loop.py:train"}
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert {row.reason for row in rows} == {None, "ValueError: it is too wide (loop.py:3)"}


def test_a_protocol_is_of_the_code_and_not_of_its_place(tiny, write, tmp_path):
    tiny["train"] = {"import": "loop.py:train"}
    protocols = []
    for folder, text in (("a", "1"), ("b", "1"), ("b", "2")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "loop.py").write_text(f"def train(model, report): return {text}\n")
        protocols.append(prepare(write(tiny, f"{folder}/study.yaml")).protocol)
    assert protocols[0] == protocols[1] != protocols[2]


def test_a_loop_with_data_of_its_own(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text(
        "import torch\n"
        "def train(model, report):\n"
        "    assert len(report.data.train) == 0 and model(torch.zeros(2, 2, 12, 12)).shape == (2, 7)\n"
        "    return {'val_accuracy': 0.5}\n"
    )
    tiny |= {"train": {"import": "loop.py:train"}, "data": {"kind": "external", "shape": [2, 12, 12], "classes": 7}}
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert {row.reason for row in rows} == {None}


def test_a_truth_value_is_no_accuracy(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text(WITH_ATTENTION.format("return {'val_accuracy': True}"))
    tiny["train"] = {"import": "loop.py:train"}
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert {row.reason for row in rows} == {None, "val_accuracy is True; allowed: a number"}
