"""Wrong commands, files in each other's place, and Ctrl-C before anything is begun: one message, one exit status."""

import os
import signal
import subprocess
import sys
import time

import pytest
import typer

from attnspace import cli
from attnspace.cli.application import stoppable
from tests.made_run import made_run

INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it runs in the background
from attnspace.__main__ import main

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv = ["attnspace", "search", "study.yaml"]
main()
"""


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Runs a command in this process: exit status and messages."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["attnspace", *map(str, arguments)])
        return cli.run(), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serch"], "error: no such command 'serch'. Did you mean 'search'?; see "),
        (["search", "study.yaml", "--trails", "3"], "error: no such option: --trails; see "),
        (["search"], "error: missing argument 'study'; see "),
        (["show", "se", "--channels", "many"], "error: invalid value for '--channels': "),
    ],
)
def test_a_command_that_is_not_possible_is_one_line_that_says_where_help_is(call, arguments, message):
    status, err = call(*arguments)
    assert status == 2
    assert err.startswith(message)
    assert err.endswith(" --help\n")
    assert err.count("\n") == 1


def test_a_run_in_the_place_of_a_study_is_told_how_to_go_on(call, tmp_path):
    made_run(tmp_path / "made", trials=1)
    status, err = call("search", "made")
    assert status == 2
    assert err == (
        "error: made: is the directory of a run; allowed: a study file; "
        "to go on with it: attnspace search made/study.yaml --run made\n"
    )


@pytest.mark.parametrize("command", ["confirm", "report"])
def test_a_study_in_the_place_of_a_run_is_told_where_runs_are(call, tiny, write, command):
    write(tiny)
    status, err = call(command, "study.yaml")
    assert status == 2
    assert "study.yaml: is no run: it has no ledger.db" in err
    assert "give the directory of the study's run, runs/NAME unless --run said another" in err


def test_a_space_with_an_unknown_key_is_shown_no_more_than_it_is_checked(call, tiny, write):
    tiny["space"]["block"]["zero_init"] = {"$choice": [True, False]}
    study, space = write(tiny), write({"block": tiny["space"]["block"]}, "space.yaml")
    for command, file in (("show", study), ("show", space), ("check", study), ("check", space)):
        status, err = call(command, file)
        assert status == 2
        assert "block.zero_init: unknown key 'zero_init'; got true; allowed: squeeze, excite" in err


def test_a_fault_of_all_networks_is_one_message_and_exit_status_2(call, tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text("def train(model, report): return {'val_accuracy': 97.5}\n")
    tiny["train"] = {"import": "loop.py:train", "epochs": 1}
    study = write(tiny)
    status, err = call("search", study)
    assert status == 2
    assert err == (
        f"error: {study}: every network fails alike, the one without attention too: val_accuracy is 97.5; "
        "allowed: 0 to 1; say a share, not percent; mend the cause and give the same command again; "
        "none of these failures is on record\n"
    )


@pytest.mark.parametrize("module", ["typer", "torch", "attnspace.study.loading"])
def test_ctrl_c_while_commands_are_imported_is_one_sentence(module, tiny, write, tmp_path):
    write(tiny)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(module=module)], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped before anything was begun\n")
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_while_images_are_read_is_one_sentence(call, tiny, write, monkeypatch):
    def interrupted(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("attnspace.study.loading.prepare", interrupted)
    study = write(tiny)
    status, err = call("search", study)
    assert status == 130
    assert err == f"stopped before anything was begun. Go on with: attnspace search {study}\n"


SLOW = """
import time
from pathlib import Path

def train(model, report):
    Path(__file__).with_name("began").touch()
    time.sleep(0.3)
    for epoch in range(1000):
        time.sleep(0.01)
    return {"val_accuracy": 0.5}
"""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_search_that_is_asked_to_end_says_what_is_kept_and_how_to_go_on(
    tiny, write, tmp_path, number, status, workers
):
    (tmp_path / "loop.py").write_text(SLOW)
    tiny |= {"train": {"import": "loop.py:train", "epochs": 1}}
    tiny["search"]["workers"] = workers
    command = [sys.executable, "-m", "attnspace", "search", str(write(tiny)), "--run", str(tmp_path / "run")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # below `nohup` it is ignored
    )
    try:
        ends = time.monotonic() + 240
        while not (tmp_path / "began").exists():
            assert time.monotonic() < ends
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == status
    assert said.startswith("stopped; 0 finished evaluations are kept. Go on with: attnspace search ")
    assert "Traceback" not in said


def test_signals_that_the_code_of_a_study_swallows_end_the_search_in_the_end():
    started, heard = signal.getsignal(signal.SIGTERM), []

    def swallows() -> None:
        with stoppable(["attnspace"]):
            for _ in range(3):
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(10)
                except KeyboardInterrupt:
                    heard.append(signal.getsignal(signal.SIGTERM))
            raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as stopped:
        swallows()
    assert stopped.value.exit_code == 143
    assert signal.SIG_DFL not in heard[:2]
    assert heard[2] == signal.SIG_DFL  # one more ends the process
    assert signal.getsignal(signal.SIGTERM) == started


@pytest.mark.parametrize("part", ["train", "backbone", "data"])
def test_code_that_ends_the_process_is_a_fault_of_the_study(call, tiny, write, tmp_path, part):
    (tmp_path / "code.py").write_text("import sys\nsys.exit()\n")
    tiny[part] = {"import": "code.py:function"}
    for command in ("check", "search"):
        status, err = call(command, write(tiny))
        assert status == 2
        assert f"{part}.import: raises Exited when imported: it ends the process, by sys.exit()" in err


def test_a_backbone_that_ends_the_process_is_a_fault_of_the_study(call, tiny, write, tmp_path):
    (tmp_path / "code.py").write_text("import sys\ndef make(in_channels, num_classes):\n    sys.exit(3)\n")
    tiny["backbone"] = {"import": "code.py:make"}
    status, err = call("check", write(tiny))
    assert status == 2
    assert "by sys.exit(3)" in err


def test_a_change_of_directory_in_the_code_of_a_study_does_not_move_its_run(call, tiny, write, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "loop.py").write_text(
        f"import os\nos.chdir({str(tmp_path / 'elsewhere')!r})\n"
        "def train(model, report):\n"
        f"    os.chdir({str(tmp_path / 'elsewhere')!r})\n"
        "    return {'val_accuracy': 0.5}\n"
    )
    tiny |= {"train": {"import": "loop.py:train", "epochs": 1}}
    status, _ = call("search", write(tiny))
    assert status == 0
    assert (tmp_path / "runs" / "tiny" / "report.html").is_file()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_backbone_that_is_another_one_each_time_is_refused(call, tiny, write, tmp_path):
    (tmp_path / "code.py").write_text(
        "import itertools\nfrom attnspace.backbones import ResNet\nwidths = itertools.cycle([16, 32])\n"
        "def make(in_channels, num_classes):\n    return ResNet(8, next(widths), in_channels, num_classes)\n"
    )
    tiny["backbone"] = {"import": "code.py:make"}
    status, err = call("check", write(tiny))
    assert status == 2
    assert err.endswith("values, from torch\n")
    assert (
        "backbone: the network is another one each time that it is made, so that designs could not be compared" in err
    )


def test_what_somebody_elses_error_says_at_great_length_is_shortened(call, tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text("raise ValueError('long ' * 20_000)\n")
    tiny["train"] = {"import": "loop.py:train"}
    status, err = call("check", write(tiny))
    assert status == 2
    assert "more characters]" in err
    assert len(err) < 3_000


def test_a_path_with_square_brackets_is_printed_as_it_is(tiny, write, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["attnspace", "search", str(write(tiny)), "--run", str(tmp_path / "a[red]b[/x]")])
    assert cli.run() == 0
    assert "a[red]b[/x]/report.html" in capsys.readouterr().out


def test_a_run_that_is_not_there_is_told_which_ones_are(call, tmp_path):
    for name in ("one", "other"):
        made_run(tmp_path / "runs" / name, trials=1)
    for wrong in ("runs/ohter", "other", "runs"):
        status, err = call("confirm", wrong)
        assert status == 2
        assert err.endswith("there is runs/one, runs/other\n")


def test_a_format_that_is_none_is_said_without_words_of_a_library(call, tmp_path):
    status, err = call("export", "se", "--to", "tflite")
    assert status == 2
    assert err.startswith(
        "error: invalid value for '--to': 'tflite' is not one of 'py', 'onnx', 'json', 'safetensors'; "
    )
