import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from jsonschema import Draft202012Validator

from attnspace import cli, frame
from attnspace.schemas import spec_schema
from tests.made_run import made_run

SPEC = Draft202012Validator(spec_schema())
ATTNSPACE = [sys.executable, "-c", "from attnspace.cli import main; main()"]
SE = {"kind": "gate", "squeeze": {"kind": "global", "stats": ["avg"]}, "excite": [{"kind": "fc", "reduction": 16}]}


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Runs a command in this process: exit status, output, messages."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["attnspace", *map(str, arguments)])
        status = cli.run()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def spec(**changes):
    return {**SE, **changes}


WRONG_SPECS = {
    "unknown key": (spec(excite=[{"kind": "fc", "reducton": 16}]), "excite.0.reducton: unknown key 'reducton'; got 16; allowed: reduction, bias, norm, act, zero_init; did you mean 'reduction'?"),
    "wrong type": (spec(excite=[{"kind": "fc", "reduction": "16"}]), 'excite.0.reduction: should be a number or a mapping; got "16"; allowed: 16,'),
    "reduction larger than channels": (spec(excite=[{"kind": "fc", "reduction": 65}]), "excite.0.reduction: reduction 65 leaves no hidden unit for 64 channels; use at most 64, or give the rule a minimum width"),
    "spatial conv on a global descriptor": (spec(excite=[{"kind": "conv2d"}]), "excite.0: conv2d cannot be applied to what squeeze global leaves, one value for each channel; allowed: conv2d on squeeze channel, none; use fc, conv1d or project, or squeeze channel or none"),
    "unknown statistic": (spec(squeeze={"kind": "global", "stats": ["mean"]}), "squeeze.stats.0: unknown kind 'mean'; allowed: amax, attention, avg, dct, l1, l2, lse, max, std"),
    "no kind": ({"kind": None}, "kind: unknown kind 'None'; allowed: gate, gather_excite, identity, layers, parallel, residual, rezero, select, sequential, sge, simam, split, swap"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_SPECS)
def test_a_wrong_spec_is_one_message(call, write, case):
    data, message = WRONG_SPECS[case]
    path = write(json.dumps(data), "mine.json")
    status, out, err = call("check", path)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {path}: ")
    assert message in err
    assert err.count("\n") == 1


def change(study: dict, path: str, value) -> dict:
    *parents, last = path.split(".")
    here = study
    for name in parents:
        here = here[name]
    here[last] = value
    return study


WRONG_STUDIES = {
    "unknown key": ("train.epoch", 3, r"study\.yaml:\d+: train\.epoch: unknown key 'epoch'; got 3; allowed: epochs, .*; did you mean 'epochs'\?"),
    "wrong type": ("search.trials", "many", r'study\.yaml:\d+: search\.trials: should be a whole number; got "many"'),
    "reduction larger than channels": ("space.block.excite", [{"kind": "fc", "reduction": 99}], r"space\.block\.excite\.0\.reduction: reduction 99 leaves no hidden unit for \d+ channels"),
    "no such published name": ("space.block", {"$published": "cbm"}, r"space\.block\.\$published: no published block is named 'cbm'; allowed: .*; did you mean 'cbam'\?"),
    "a slot that does not exist": ("space.placement.position", "middle", r"space\.placement\.position: position 'middle' does not exist; allowed: conv1, conv2, identity, post_add, pre, residual"),
    "a stage that does not exist": ("space.placement.stages", [4], r"space\.placement\.stages\.0: stage 4 does not exist; allowed: 1, 2, 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_STUDIES)
def test_a_wrong_study_is_one_message_and_writes_nothing(call, tiny, write, tmp_path, case):
    path, value, message = WRONG_STUDIES[case]
    study = write(change(tiny, path, value))
    status, out, err = call("search", study)
    assert (status, out) == (2, "")
    assert re.search(message, err), err
    assert err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n", "a study is a mapping; got"), ("a: [\n", "is not YAML"), ("", "is empty"), (None, "no such file")],
)
def test_a_study_that_is_no_mapping_writes_nothing(call, write, tmp_path, text, message):
    path = write(text) if text is not None else tmp_path / "gone.yaml"
    status, _, err = call("search", path)
    assert status == 2
    assert message in err
    assert "runs" not in {p.name for p in tmp_path.iterdir()}


def test_a_run_of_another_study_is_refused_untouched(call, tiny, write, tmp_path):
    study = write(tiny)
    assert call("search", study)[0] == 0
    before = {p: p.read_bytes() for p in (tmp_path / "runs/tiny").iterdir()}
    for path, value, at in (("train.lr", 0.3, "train.lr"), ("space.placement.stages", [2], "space.placement.stages")):
        other = write(change(yaml.safe_load(study.read_text()), path, value), "other.yaml")
        status, _, err = call("search", other)
        assert status == 2
        assert f"belongs to another study: {at}" in err
        assert "give the changed study a name of its own" in err
    assert {p: p.read_bytes() for p in (tmp_path / "runs/tiny").iterdir()} == before


def test_search_ends_in_a_table_a_report_and_files(call, tiny, write, tmp_path):
    status, out, err = call("search", write(tiny))
    assert (status, err) == (0, "")
    assert re.search(r"8/8  val_accuracy \d+\.\d%  global:", out)
    assert "se (baseline)" in out
    assert re.search(
        r"\d+ s in all, \d+ s of it training 8 epochs; .*%\) for everything else", re.sub(r"\s+", " ", out)
    )
    names = {p.name for p in (tmp_path / "runs/tiny").iterdir()}
    written = "data.json ledger.db meaning.json report.html study.yaml trials.parquet winner.json"
    assert names == {".lock", *written.split()}
    assert len(frame(tmp_path / "runs/tiny")) == 8
    status, out, _ = call("search", tmp_path / "study.yaml")
    assert status == 0
    assert "resuming after 8 of 8 designs" in out


def test_a_search_in_which_everything_fails_exits_with_1(call, tiny, write, monkeypatch):
    from attnspace.workers.trainer import Trainer

    def too_large(trainer, design, made):
        raise MemoryError("out of memory")

    monkeypatch.setattr(Trainer, "_network", too_large)
    status, out, err = call("search", write(tiny))
    assert status == 1
    assert "failed: MemoryError: out of memory" in out
    assert "every evaluation failed" in err


def test_a_network_that_cannot_be_made_is_refused_before_a_search(call, tiny, write, monkeypatch):
    from attnspace.study.study import Study

    def too_large(study, design):
        raise MemoryError("out of memory")

    monkeypatch.setattr(Study, "network", too_large)
    for command in ("check", "search"):
        status, _, err = call(command, write(tiny))
        assert status == 2
        assert "backbone: the network cannot be made or run: MemoryError: out of memory" in err


def test_report_writes_the_files_again(call, tmp_path):
    path = made_run(tmp_path / "run", trials=3)
    status, out, _ = call("report", path)
    assert status == 0
    assert str(path / "report.html") in out.replace("\n", "")
    assert (path / "report.html").exists()
    status, _, err = call("report", tmp_path)
    assert status == 2
    assert "is no run" in err


def test_show_prints_tree_parameters_and_flops(call):
    status, out, _ = call("show", "cbam", "--channels", 32, "--resolution", 8, "--diff", "se")
    assert status == 0
    assert "at C=32, 8x8: 227 parameters" in out
    assert "without channel:max,avg > conv7" in out
    assert "stats: max, avg" in out


def test_check_tells_spec_space_and_study_apart(call, tiny, write):
    assert "a block, global:avg > fc/16" in call("check", write(json.dumps(SE), "a.json"))[1]
    assert (
        "a space of 3 fillings"
        in call("check", write({**SE, "squeeze": {"kind": "global", "stats": {"$subset": ["avg", "max"]}}}))[1]
    )
    out = call("check", write(tiny))[1]
    assert "a study: 5 baselines, 3 trials" in out
    assert (
        "images: 60 train, 500 validation, 500 test; 1 x 8 x 8\n10 classes (train/validation/test): 0 6/49/50, " in out
    )
    tiny["search"]["trials"] = 500
    assert "note: 500 trials are asked for" in call("check", write(tiny))[1]
    status, _, err = call("check", write({"nmae": 1}))
    assert status == 2
    assert "is neither a spec nor a study" in err


def test_check_tries_every_option_of_a_space(call, write):
    path = write({**SE, "excite": [{"kind": {"$choice": ["fc", "conv2d"]}}]})
    status, out, err = call("check", path)
    assert (status, out) == (2, "")
    assert "with excite.0.kind = conv2d, no design is valid: conv2d cannot be applied" in err


def test_the_winner_of_a_study_with_stages_can_be_shown_and_checked(call, tiny, write, tmp_path):
    tiny["space"]["block"] = {
        "per_stage": {n: {"$choice": [{"$published": "eca"}, {"$published": "sse"}]} for n in (1, 2, 3)}
    }
    assert call("search", write(tiny))[0] == 0
    winner = tmp_path / "runs/tiny/winner.json"
    for command in ("show", "check"):
        status, out, _ = call(command, winner)
        assert status == 0
        assert re.search(r"stage [123]", out)
    SPEC.validate(json.loads(winner.read_text()))
    status, _, err = call("show", winner, "--diff", "se")
    assert status == 2
    assert "has a block for each stage" in err


@pytest.mark.parametrize("columns", ["abc", "", "40"])
def test_odd_columns_do_not_matter(call, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert call("show", "se")[0] == 0


def test_a_space_beyond_counting_is_told_about(call, write):
    many = {"kind": "sequential", "blocks": [{"$any": "gate"}] * 60}
    assert "a space of about 10^" in call("check", write(many))[1]


def test_show_draws_the_block(call, tmp_path):
    status, out, _ = call("show", "triplet", "--picture", "triplet.svg")
    assert status == 0
    assert "drawn: triplet.svg" in out
    svg = ElementTree.parse(tmp_path / "triplet.svg").getroot()
    assert svg.tag.endswith("svg")
    status, _, err = call("show", "se", "--picture", "nowhere/se.svg")
    assert status == 1
    assert "nowhere/se.svg" in err


def test_show_takes_channels_at_which_the_block_is_possible(call):
    assert "at C=128" in call("show", "shuffle")[1]
    status, _, err = call("show", "shuffle", "--channels", 64)
    assert status == 2
    assert "64 groups of 2 chunks do not divide 64 channels" in err
    status, _, err = call("show", "se", "--picture", "se.png")
    assert status == 2
    assert "a picture is SVG" in err


def test_show_names_every_step_of_a_composed_block(call):
    out = call("show", "bam")[1]
    for word in ("branches", "squeeze: none", "dilation: 4", "out: C/16", "sigmoid1p", "bytes kept for backward"):
        assert word in out
    assert "C and H" not in out
    assert "axis: H" in call("show", "triplet")[1]
    assert "kernel: 1, 7" in call("show", "msca")[1]


def test_export_writes_a_file_or_prints_it(call, tmp_path):
    status, out, _ = call("export", "se", "--to", "py", "--channels", 32)
    assert status == 0
    assert "class Se(nn.Module):" in out
    status, out, _ = call("export", "triplet", "--to", "onnx", "--out", "t.onnx")
    assert (status, out) == (0, "t.onnx: triplet at C=64, batch, height and width free\n")
    assert (tmp_path / "t.onnx").stat().st_size > 0
    assert call("export", "bam", "--to", "json", "--out", "mine.json")[0] == 0
    assert "(global:avg > fc/16+bn |" in call("check", "mine.json")[1]


def test_the_catalogue_page_is_current(call):
    """If this fails: `attnspace list --markdown > page && mv page attnspace/published/README.md`."""
    page = Path(cli.__file__).parents[1] / "published" / "README.md"
    assert call("list", "--markdown")[1] == page.read_text()


def test_list_names_blocks_and_primitives(call):
    out = call("list")[1]
    for word in (
        "cbam-timm",
        "global:avg > fc/16",
        "conv1d",
        "directional",
        "amax",
        "split-attention",
        "gather_excite",
        "standardize",
    ):
        assert word in out


@pytest.mark.parametrize("of", ["spec", "study"])
def test_schema_prints_json(call, of):
    assert json.loads(call("schema", of)[1])["$schema"].startswith("https://json-schema.org")


@pytest.mark.parametrize(
    "arguments", [["sho"], ["show"], ["show", "se", "--chanels", "3"], ["show", "se", "--channels", "0"]]
)
def test_wrong_usage_exits_with_2(call, arguments):
    status, _, err = call(*arguments)
    assert status == 2
    assert "Traceback" not in err


def test_help_imports_nothing_heavy():
    code = "import sys, attnspace.cli as c; sys.argv = ['attnspace', '--help']; c.run(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "search" in done.stdout
    assert not {"torch", "optuna", "pandas", "plotly", "sklearn", "numpy"} & loaded


SPACE = {**SE, "activation": {"$choice": ["sigmoid", "tanh"]}}
WITHOUT_TORCH = {
    "a spec is checked": ("check", "spec.json"),
    "a space is checked": ("check", "space.json"),
    "a space is shown": ("show", "space.json"),
    "a spec is exported as JSON": ("export", "spec.json", "--to", "json"),
    "the schema of specs is printed": ("schema", "spec"),
}


@pytest.mark.parametrize("what", WITHOUT_TORCH)
def test_no_torch_is_imported_when(write, what):
    folder = write(json.dumps(SE), "spec.json").parent
    write(json.dumps(SPACE), "space.json")
    command = [str(folder / word) if word.endswith(".json") else word for word in WITHOUT_TORCH[what]]
    code = f"import sys, attnspace.cli as c; sys.argv = {['attnspace', *command]}; assert c.run() == 0; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.splitlines()[-1].split()


def test_output_may_be_cut_off():
    script = "import sys; sys.argv = ['attnspace', 'schema', 'study']; from attnspace.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait() in (0, 120)


class Search:
    """A search in a process of its own."""

    def __init__(self, study: Path, folder: Path) -> None:
        self.process = subprocess.Popen(
            [*ATTNSPACE, "search", str(study)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job, as CI may be, ignores Ctrl-C, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait_for_evaluations(self, database: Path, number: int) -> None:
        deadline = time.monotonic() + 120
        while evaluations(database) < number:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=180)
        return self.process.returncode, out, err


def evaluations(database: Path) -> int:
    import sqlite3

    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            found = connection.execute("SELECT count(*) FROM evaluations").fetchone()[0]
        connection.close()
    except sqlite3.OperationalError:
        return 0
    return found


def outcome(run: Path):
    return frame(run)[["role", "name", "design", "epochs", "val_accuracy", "val_loss", "history"]].to_dict("records")


def test_kill_9_at_any_moment_loses_no_finished_trial(tiny, write, tmp_path):
    tiny["search"] |= {"trials": 8, "rungs": {"first": 1, "seeds": 1}}
    tiny["train"]["epochs"] = 3
    study = write(tiny)
    (tmp_path / "whole").mkdir()
    assert Search(study, tmp_path / "whole").end()[0] == 0
    database = tmp_path / "runs/tiny/ledger.db"
    for number in (1, 6, 9):
        search = Search(study, tmp_path)
        search.wait_for_evaluations(database, number)
        os.kill(search.process.pid, signal.SIGKILL)
        search.end()
        assert evaluations(database) >= number
    status, out, _ = Search(study, tmp_path).end()
    assert status == 0
    assert "resuming after" in out
    rows = outcome(tmp_path / "runs/tiny")
    assert len({row["design"] for row in rows}) == 13
    assert len({(row["design"], row["epochs"]) for row in rows}) == len(rows) > 13
    assert {row["epochs"] for row in rows} == {1, 3}
    assert not (tmp_path / "runs/tiny/checkpoints").exists()
    assert rows == outcome(tmp_path / "whole/runs/tiny")


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tiny, write, tmp_path):
    tiny["search"]["trials"] = 40
    tiny["train"]["epochs"] = 20
    study = write(tiny)
    search = Search(study, tmp_path)
    search.wait_for_evaluations(tmp_path / "runs/tiny/ledger.db", 2)
    os.kill(search.process.pid, signal.SIGINT)
    status, _, err = search.end()
    assert status == 130
    assert re.fullmatch(rf"stopped; \d+ finished evaluations are kept\. Go on with: attnspace search {study}\n", err)


def test_confirm_prints_the_verdict_and_writes_it_into_the_report(call, tiny, write, tmp_path):
    assert call("search", write(tiny))[0] == 0
    run = tmp_path / "runs/tiny"
    status, out, err = call("confirm", run, "--top", 2, "--seeds", 2)
    assert (status, err) == (0, "")
    assert "confirming" in out
    assert "with 2 fresh seeds each" in out
    verdict = next(line for line in out.splitlines() if line.startswith("Undecided"))
    assert "2 seeds are too few to claim anything" in verdict
    page = (run / "report.html").read_text()
    assert "<h2>Confirmation</h2>" in page
    assert "Every comparison" in page
    status, again, _ = call("confirm", run, "--top", 2, "--seeds", 2)
    assert status == 0
    assert verdict in again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("confirm", "nowhere"), "nowhere: is no run: it has no ledger.db"),
        (("migrate", "nowhere", "study.yaml"), "nowhere: is no run: it has no ledger.db"),
        (("confirm", ".", "--seeds", 1), "invalid value for '--seeds'"),
    ],
)
def test_confirm_and_migrate_want_a_run(call, tiny, write, arguments, message):
    write(tiny)
    status, _, err = call(*arguments)
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_migrate_says_what_was_taken_over_and_how_to_go_on(call, tiny, write, tmp_path):
    call("search", write(tiny))
    tiny |= {"name": "larger"}
    tiny["space"]["block"]["excite"] = [{"kind": "fc", "reduction": {"$choice": [1, 2, 4, 8]}}]
    study = write(tiny, "larger.yaml")
    status, out, err = call("migrate", tmp_path / "runs/tiny", study)
    assert (status, err) == (0, "")
    assert out == (
        f"8 evaluations of 3 trials taken over to runs/larger. Go on with: attnspace search {study}\n"
        "note: the study asks for 3 trials; raise search.trials to train new designs\n"
    )
    assert call("search", study)[0] == 0
    status, _, err = call("migrate", tmp_path / "runs/tiny", study)
    assert status == 2
    assert "holds a run already" in err


def test_limits_that_nothing_meets_are_one_message_before_anything_is_written(call, tiny, write, tmp_path):
    tiny["objective"] = {"maximize": "val_accuracy", "subject_to": {"params": 10}}
    study = write(tiny)
    for command in ("search", "check"):
        status, out, err = call(command, study)
        assert status == 2
        assert command == "search" or not out  # a search has told of its images
        assert re.fullmatch(
            rf"error: {study}: objective\.subject_to: nothing meets the limits; the backbone "
            r"alone has params 77,754, at most 10; raise the limit, or take a smaller backbone\n",
            err,
        )
    assert not (tmp_path / "runs").exists()


def test_show_prints_a_space_with_the_sizes_of_its_parts(call, tiny, write):
    status, out, _ = call("show", write(tiny))
    assert status == 0
    assert "63 fillings" in out
    assert "block.squeeze.stats: avg | max | avg+max" in out
    assert "placement.stages: 1 | 2 | 3 | 1+2 | 1+3 | 2+3 | 1+2+3" in out
    space = {
        "kind": "sequential",
        "blocks": {
            "$repeat": {
                "of": {
                    "$choice": [
                        {"kind": "identity"},
                        {"kind": "simam", "regularization": {"$float": [1e-5, 1e-3], "log": True}},
                    ]
                },
                "min": 1,
                "max": 2,
            }
        },
    }
    status, out, _ = call("show", write(json.dumps(space), "space.json"))
    assert status == 0
    assert "endlessly many fillings" in out
    assert "blocks: 1 to 2, 6 fillings" in out
    assert "regularization: 1e-05 to 0.001, logarithmic" in out


def test_kill_9_in_the_middle_of_a_promotion_loses_nothing(tiny, write, tmp_path):
    """Killed while a design trains from one rung to the next: the same final table."""
    tiny["train"]["epochs"] = 40
    tiny["search"] |= {"trials": 6, "rungs": {"first": 2, "factor": 2, "seeds": 1}}
    study = write(tiny)
    (tmp_path / "whole").mkdir()
    assert Search(study, tmp_path / "whole").end()[0] == 0
    database = tmp_path / "runs/tiny/ledger.db"
    search = Search(study, tmp_path)
    search.wait_for_evaluations(database, 7)  # five baselines, two trials: the better one now goes on
    deadline = time.monotonic() + 60
    while not evaluations_of(database, "paused") >= 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(search.process.pid, signal.SIGKILL)
    search.end()
    assert list((tmp_path / "runs/tiny/checkpoints").iterdir())
    assert Search(study, tmp_path).end()[0] == 0
    assert outcome(tmp_path / "runs/tiny") == outcome(tmp_path / "whole/runs/tiny")
    assert not (tmp_path / "runs/tiny/checkpoints").exists()


def evaluations_of(database: Path, what: str) -> int:
    import sqlite3

    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        found = connection.execute("SELECT count(*) FROM evaluations WHERE outcome = ?", (what,)).fetchone()[0]
    connection.close()
    return found
