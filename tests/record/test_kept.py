"""A folder that keeps the table of a run alone, such as the example that README shows."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import attnspace
from attnspace.analysis.winner import write_winner
from attnspace.errors import RunError
from attnspace.record.results import load, write_table
from attnspace.report import report_run
from attnspace.search.migration import migrate
from attnspace.study.loading import prepare, prepare_run
from attnspace.study.run_directory import RunDirectory
from tests.made_run import age, made_run

EXAMPLE = Path(__file__).parents[2] / "studies" / "example"


@pytest.fixture
def example(tmp_path) -> Path:
    """A copy of the shipped example's table, and of nothing else."""
    folder = tmp_path / "example"
    folder.mkdir()
    shutil.copy(EXAMPLE / "trials.parquet", folder)
    return folder


def kept(run: Path) -> Path:
    """Leaves nothing of a run but its table."""
    write_table(load(run))
    write_winner(load(run))
    for file in run.iterdir():
        if file.name != "trials.parquet":
            file.unlink()
    return run


def test_the_shipped_example_is_read_and_reported(example):
    table = attnspace.frame(example)
    assert {"search", "confirm"} == set(table["phase"])
    assert isinstance(table["spec"].iloc[0], dict)
    assert table.loc[table["name"] == "none", "params_added"].eq(0).all()
    before = (example / "trials.parquet").read_bytes()
    results = report_run(example)
    assert len(results.ranked()) > 0
    assert "Confirmation" in (example / "report.html").read_text()
    assert attnspace.recommend(example).sentence == json.loads((EXAMPLE / "winner.json").read_text())["doc"]
    assert "test images" in attnspace.recommend(example).interval.name  # the answers are in the table, too
    assert {"block", "placement"} <= json.loads((example / "winner.json").read_text()).keys()
    assert (example / "trials.parquet").read_bytes() == before


@pytest.mark.parametrize("old", [False, True])
def test_a_kept_table_is_the_frame_of_the_run(tmp_path, old):
    run = made_run(tmp_path / "run", trials=8, failed=1, paused=2, confirmed=2)
    if old:
        age(run)
    whole = load(run)
    alone = load(kept(run))
    assert alone.study == whole.study
    assert list(alone.frame.columns) == list(whole.frame.columns)
    for column in whole.frame:
        assert alone.frame[column].dropna().tolist() == whole.frame[column].dropna().tolist()
    assert alone.ranked()["design"].tolist() == whole.ranked()["design"].tolist()


def test_the_ledger_counts_where_there_is_one(tmp_path):
    run = made_run(tmp_path / "run", trials=3)
    write_table(load(run))
    write_winner(load(run))
    (run / "trials.parquet").write_bytes(b"of yesterday")
    assert len(load(run).ranked()) == 8


def test_what_needs_the_whole_run_says_what_is_missing(example, tiny, write):
    study = prepare(write(tiny))
    missing = r"has no ledger\.db and no study\.yaml, which {} needs; .*give the run's own directory"
    with pytest.raises(RunError, match=missing.format("a confirmation")):
        prepare_run(example)
    with pytest.raises(RunError, match=missing.format("a search that goes on")):
        RunDirectory(example).check(study)
    with pytest.raises(RunError, match=missing.format("a migration")):
        migrate(study, example, RunDirectory(example.parent / "new"))
    assert [file.name for file in example.iterdir()] == ["trials.parquet"]


def test_a_table_that_is_none_of_ours_is_refused(example):
    file = example / "trials.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({}), file)
    with pytest.raises(RunError, match=r"does not say which study it is of; .*attnspace report RUN"):
        load(example)
    file.write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"trials\.parquet: cannot be read"):
        load(example)
    pq.write_table(pq.read_table(EXAMPLE / "trials.parquet").select(["number", "phase"]), file)
    with pytest.raises(RunError, match="is damaged: 'spec'"):
        load(example)
