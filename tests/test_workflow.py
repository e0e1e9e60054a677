"""What one does with a study from beginning to end, as a notebook does it."""

import json
from html import escape

import pandas as pd
import pytest

import attnspace
from attnspace.errors import RunError, StudyError
from attnspace.study.loading import prepare
from attnspace.workflow import Stopped, confirm_run, run_study
from tests.searching import StopAfterRows


def test_a_study_file_becomes_a_report_a_table_and_a_winner(tiny, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run_study(write(tiny))
    assert found.path.as_posix() == "runs/tiny"
    assert (found.sitting.evaluations, found.sitting.exhausted) == (8, False)
    assert len(pd.read_parquet(found.path / "trials.parquet")) == 8
    assert json.loads((found.path / "winner.json").read_text())["name"] == "tiny-winner"
    assert "<h1>tiny</h1>" in (found.path / "report.html").read_text()
    pd.testing.assert_frame_equal(found.results.frame, attnspace.frame(found.path).drop(columns="handed_over"))


def test_the_same_call_goes_on_where_an_earlier_one_was_stopped(tiny, write, tmp_path):
    study = prepare(write(tiny))
    with pytest.raises(Stopped) as stopped:
        run_study(study, tmp_path / "run", StopAfterRows(3))
    assert stopped.value.kept == 3
    assert run_study(study, tmp_path / "run").sitting.evaluations == 5
    assert run_study(study, tmp_path / "run").sitting.evaluations == 0


def test_limits_that_nothing_meets_leave_no_directory(tiny, write, tmp_path):
    tiny["objective"] = {"maximize": "val_accuracy", "subject_to": {"params": 10}}
    with pytest.raises(StudyError, match="nothing meets the limits"):
        run_study(write(tiny), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_confirmation_is_given_back_and_kept(tiny, write, tmp_path):
    run_study(write(tiny), tmp_path / "run")
    found = confirm_run(tmp_path / "run", top=1, seeds=2)
    assert len(found.scores) == 2
    assert {"none", "se", "cbam", "eca", "ca"} <= set(found.scores.columns)
    assert escape(found.sentence) in (tmp_path / "run" / "report.html").read_text()
    again = confirm_run(tmp_path / "run", top=1, seeds=2)
    pd.testing.assert_frame_equal(again.scores, found.scores)


def test_what_is_no_run_cannot_be_confirmed(tmp_path):
    with pytest.raises(RunError, match="is no run"):
        confirm_run(tmp_path)
