"""`attnspace export RUN`, and `report` of a folder that keeps a table alone."""

import json
import shutil
from pathlib import Path

import pytest

from attnspace import cli
from attnspace.analysis.winner import write_winner
from attnspace.record.results import load, write_table
from tests.made_run import made_run

EXAMPLE = Path(__file__).parents[2] / "studies" / "example"


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Runs a command in a folder of its own: exit status, output and messages."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["attnspace", *map(str, arguments)])
        status = cli.run()
        return status, *capsys.readouterr()

    return run


def test_the_design_of_a_run_is_printed_or_written(call, tmp_path):
    run = made_run(tmp_path / "run", trials=3)
    write_table(load(run))
    write_winner(load(run))
    status, out, _ = call("export", run, "--to", "json")
    assert status == 0
    assert json.loads(out) == json.loads((run / "winner.json").read_text())
    assert call("export", run, "--to", "json", "--out", "mine.json")[1].startswith("mine.json: what ")
    assert json.loads((tmp_path / "mine.json").read_text()) == json.loads(out)


def test_a_searched_run_is_exported_as_files_with_sensible_names(call, tiny, write, tmp_path):
    tiny["search"]["trials"] = 1
    call("search", write(tiny))
    status, out, _ = call("export", "runs/tiny", "--to", "onnx")
    assert status == 0
    assert out.splitlines()[0] == "tiny-winner.onnx: what runs/tiny hands over"
    assert "note: THE WEIGHTS ARE UNTRAINED" in out
    assert (tmp_path / "tiny-winner.onnx").stat().st_size > 10_000
    status, out, _ = call("export", "runs/tiny", "--to", "py")
    assert status == 0
    assert "def insert(model):" in out
    compile(out, "winner.py", "exec")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("se", "--to", "safetensors"),
            "se: is a block, which has no weights or images; leave --to safetensors to runs",
        ),
        (("se", "--to", "py", "--fold"), "leave --fold to runs"),
        ((".", "--to", "json"), ".: is no run: it has no ledger.db"),
        (
            ("run", "--to", "py", "--channels", "8"),
            "run: is a run, whose networks have their channels; leave --channels out",
        ),
        (("run", "--to", "safetensors"), "run: keeps no weights of the design that it hands over"),
        (("run", "--to", "onnx", "--fold"), "run: has no control with constant gates"),
    ],
)
def test_what_cannot_be_exported_is_one_message(call, tmp_path, arguments, message):
    made_run(tmp_path / "run", trials=2)
    status, _, err = call("export", *arguments)
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_a_folder_called_like_a_published_block_is_no_run(call, tmp_path):
    (tmp_path / "se").mkdir()
    status, out, _ = call("export", "se", "--to", "json")
    assert status == 0
    assert json.loads(out)["kind"] == "gate"


def test_the_example_is_reported_from_its_table(call, tmp_path):
    (tmp_path / "example").mkdir()
    shutil.copy(EXAMPLE / "trials.parquet", tmp_path / "example")
    status, out, _ = call("report", "example")
    assert status == 0
    assert "report: example/report.html" in out
    for arguments in (("confirm", "example"), ("search", "example")):
        status, _, err = call(*arguments)
        assert status == 2
        assert "keeps the table of a run, trials.parquet, and has no ledger.db and no study.yaml" in err
