"""Several trainings at once. Workers are real processes; each needs a few seconds to begin."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from attnspace.errors import RunFailed, StudyError
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.ledger import Ledger
from attnspace.search.progress import Watcher
from attnspace.search.search import search
from attnspace.study.loading import prepare
from attnspace.workers import processes
from attnspace.workers import sizing as sizing
from attnspace.workers.devices import devices
from attnspace.workers.job import Job, Result, row
from attnspace.workers.pool import InlinePool
from attnspace.workers.processes import ProcessPool
from attnspace.workers.sizing import open_pool
from attnspace.workers.worker import probed
from tests.searching import facts

CPU = torch.device("cpu")

LOOP = """
import os, signal

def train(model, report):
    params = sum(p.numel() for p in model.parameters())
    if params > LIMIT:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"val_accuracy": 1 / params, "val_loss": 1.0}
"""


def test_several_workers_train_what_one_would_and_each_design_once(tiny, write, tmp_path, run):
    tiny["search"] |= {"trials": 8, "sampler": "random", "rungs": {"first": 1, "factor": 2, "seeds": 1}}
    tiny["train"]["epochs"] = 2
    _, alone = run(prepare(write(tiny)), tmp_path / "alone")
    tiny["search"]["workers"] = 2
    outcome, rows = run(prepare(write(tiny)), tmp_path / "together")
    assert outcome.evaluations == len(rows)
    assert len({row.worker for row in rows}) == 2
    assert len({(row.design, row.seed, row.epochs) for row in rows}) == len(rows)
    assert len({row.design for row in rows if row.role == "trial"}) == 8
    known = {(row.design, row.epochs): row.history for row in alone}
    both = [row for row in rows if (row.design, row.epochs) in known]
    assert len(both) >= 5
    assert all(row.history == known[row.design, row.epochs] for row in both)
    assert not multiprocessing.active_children()
    assert not (tmp_path / "together" / "checkpoints").exists()


def test_a_design_that_kills_its_worker_twice_is_set_aside(tiny, write, tmp_path, run):
    plain = 77_754
    (tmp_path / "loop.py").write_text(LOOP.replace("LIMIT", str(plain + 500)))
    tiny |= {"train": {"import": "loop.py:train", "epochs": 1}}
    tiny["search"] |= {"trials": 1, "workers": 2}
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert len(rows) == 6
    killed = [row for row in rows if row.outcome == "failed"]
    assert {"se", "cbam", "ca"} <= {row.name for row in killed}
    assert {row.name for row in rows if row.outcome == "done" and row.role == "baseline"} == {"none", "eca"}
    reason = "its process was ended by SIGKILL, as the system does when it is out of memory"
    assert {row.reason for row in killed} == {f"set aside, since its training ended its process twice: {reason}"}
    assert all(row.costs["params"] > plain + 500 for row in killed)


LOST_ONCE = """
import os, signal, time
from pathlib import Path

def train(model, report):
    params = sum(p.numel() for p in model.parameters())
    mark = Path(__file__).with_name(f"lost-{params}")
    if params == 78_426 and not mark.exists():  # SE
        mark.touch()
        HOW
    return {"val_accuracy": 1 / params, "val_loss": 1.0}
"""


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process was ended by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSTOP)", r"it gave no sign for \d s, and no training before it for more than"),
    ],
)
def test_a_training_that_was_lost_begins_again_and_is_no_failure(tiny, write, tmp_path, run, monkeypatch, how, told):
    monkeypatch.setattr(processes, "LEAST_SILENCE_S", 2.0)
    monkeypatch.setattr(processes, "SILENCE", 0.0)
    (tmp_path / "loop.py").write_text(LOST_ONCE.replace("HOW", how))
    tiny |= {"train": {"import": "loop.py:train", "epochs": 1}}
    tiny["search"] |= {"trials": 1, "workers": 2}
    said = []

    class Heard(Watcher):
        def note(self, what: str) -> None:
            said.append(what)

    _, rows = run(prepare(write(tiny)), tmp_path / "run", Heard())
    assert {row.outcome for row in rows} == {"done"}
    assert len(rows) == 6
    assert len(list(tmp_path.glob("lost-*"))) == len(said) == 1
    assert re.search(rf"the training of se, seed 0, was lost: {told}.* It begins again", said[0])


def test_a_plain_network_that_kills_its_worker_ends_the_search_and_is_not_on_record(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text(LOOP.replace("LIMIT", "0"))
    tiny |= {"train": {"import": "loop.py:train", "epochs": 1}}
    tiny["search"] |= {"trials": 1, "workers": 2}
    with pytest.raises(RunFailed, match=r"the network without attention, .* was set aside, since its training ended"):
        run(prepare(write(tiny)), tmp_path / "run")
    assert not (tmp_path / "run" / "ledger.db").exists()


def test_a_design_that_ends_the_whole_search_is_tried_apart_and_set_aside(tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text(LOOP.replace("params > LIMIT", "params == 78_723"))  # CBAM
    tiny |= {"train": {"import": "loop.py:train", "epochs": 1}}
    tiny["search"] |= {"trials": 1, "workers": 1}
    command = [sys.executable, "-m", "attnspace", "search", str(write(tiny)), "--run", str(tmp_path / "run")]
    first, second = (subprocess.run(command, capture_output=True, text=True) for _ in range(2))
    assert (first.returncode, second.returncode) == (-9, 0)
    assert "a training during which the process ended without a word is tried again" in second.stdout
    ledger = Ledger(tmp_path / "run" / "ledger.db")
    rows = ledger.rows()
    assert len({(row.design, row.seed, row.epochs) for row in rows}) == len(rows) == 6
    assert {row.name for row in rows if row.outcome == "done" and row.role == "baseline"} == {"none", "se", "eca", "ca"}
    assert not ledger.marks()


def test_a_search_that_was_killed_in_an_innocent_training_goes_on_as_if_it_had_not_been(tiny, write, tmp_path, run):
    study = prepare(write(tiny))
    _, whole = run(study, tmp_path / "whole")
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.mark(Job(study.baselines[1], 0, 0, 1).mark(study.protocol))  # as a process that was killed leaves it
    search(study, ledger, Watcher())
    rows = ledger.rows()
    for one in (*rows, *whole):  # libraries that other tests have imported here, and nobody in the other process
        for library in ("timm", "torchvision"):
            one.environment.pop(library, None)
    assert facts(rows) == facts(whole)
    assert [row.worker == rows[0].worker for row in rows[:4]] == [True, False, True, True]


def test_workers_end_with_the_process_that_searches(tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        "def train(model, report):\n"
        "    Path(__file__).with_name(f'at-{os.getpid()}').touch()\n"
        "    time.sleep(1000)\n"
    )
    tiny |= {"train": {"import": "loop.py:train", "epochs": 1}}
    tiny["search"] |= {"workers": 2}
    command = [sys.executable, "-m", "attnspace", "search", str(write(tiny)), "--run", str(tmp_path / "run")]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: len(list(tmp_path.glob("at-*"))) == 2)
    workers = [int(path.name.removeprefix("at-")) for path in tmp_path.glob("at-*")]
    parent.kill()
    parent.wait()
    try:
        until(lambda: all(has_ended(worker) for worker in workers), seconds=60)
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def has_ended(process: int) -> bool:
    """Also where nobody asks how it ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


class Line:
    """What a worker sends, and then nothing more."""

    def __init__(self, *messages) -> None:
        self.messages = list(messages)

    def recv(self):
        if not self.messages:
            raise EOFError
        return self.messages.pop(0)

    def send(self, what) -> None: ...


def test_a_training_that_fails_at_once_says_nothing_of_how_long_one_may_take(tiny, write, monkeypatch):
    study = prepare(write(tiny))
    failed = row(study.protocol, 1, Job(study.baselines[1], 0, 0, 1), Result(reason="a fault"))
    done = row(study.protocol, 1, Job(study.baselines[0], 0, 0, 1), Result())
    pool = object.__new__(ProcessPool)
    pool._longest_silence_s, pool._workers = None, []
    for message, known in ((failed, None), (done, 0.5)):
        worker = processes._Worker(None, Line(("row", message)), CPU, Job(study.baselines[0], 0, 0, 1), 0.5)
        assert pool._hear(worker)[1] is message
        assert pool._longest_silence_s == known
    worker = processes._Worker(None, Line(), CPU, Job(study.baselines[0], 0, 0, 1), 1e6)
    pool._longest_silence_s = None
    assert pool._check_silence(worker) is None


def test_a_worker_is_lost_once_though_it_was_silent_for_too_long_as_well(tiny, write, monkeypatch):
    study = prepare(write(tiny))
    with ProcessPool(study, Checkpoints(None), [CPU], threads=1) as pool:
        pool._longest_silence_s = 0.0
        lost = pool._workers[0]
        pool.submit(Job(study.baselines[0], 0, 0, 1))
        lost.process.kill()
        lost.process.join()
        lost.silent_s = 1e6
        _, ended = pool.next_result()
    assert ended.outcome == "done"
    assert list(pool._losses.values()) == [1]


def until(holds, seconds: float = 120) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_ctrl_c_ends_the_workers_and_keeps_what_is_finished(tiny, write, tmp_path, run):
    class Stop(Watcher):
        def design_ends(self, row) -> None:
            raise KeyboardInterrupt

    tiny["search"]["workers"] = 2
    study = prepare(write(tiny))
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "run", Stop())
    assert not multiprocessing.active_children()
    _, rows = run(study, tmp_path / "run")
    assert len(rows) == 8


def test_a_worker_that_cannot_begin_says_why(tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text(LOOP.replace("LIMIT", "0"))
    tiny["train"] = {"import": "loop.py:train", "epochs": 1}
    study = prepare(write(tiny))
    (tmp_path / "loop.py").unlink()
    with pytest.raises(StudyError, match=r"train\.import: there is no file .*loop\.py"):
        ProcessPool(study, Checkpoints(None), [CPU, CPU])
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_before_it_begins_is_no_result(tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text(
        "import os\nif os.environ.get('DIE'):\n    os._exit(3)\ndef train(model, report): ...\n"
    )
    tiny["train"] = {"import": "loop.py:train", "epochs": 1}
    study = prepare(write(tiny))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIE", "1")
        with pytest.raises(RunFailed, match="a worker could not begin: its process ended with status 3"):
            ProcessPool(study, Checkpoints(None), [CPU])


def test_a_worker_that_dies_while_it_is_idle_is_replaced(tiny, write):
    study = prepare(write(tiny))
    with ProcessPool(study, Checkpoints(None), [CPU], threads=1) as pool:
        first = pool._workers[0].process
        first.kill()
        first.join()
        pool.submit(Job(study.baselines[0], 0, 0, 1))
        _, row = pool.next_result()
        assert row.outcome == "done"
        assert pool.size == 1


def test_code_that_changes_while_a_search_goes_on_ends_it(tiny, write, tmp_path):
    (tmp_path / "loop.py").write_text("def train(model, report): return {'val_accuracy': 0.5}\n")
    tiny["train"] = {"import": "loop.py:train", "epochs": 1}
    study = prepare(write(tiny))
    assert study.protocol == prepare(write(tiny)).protocol
    (tmp_path / "loop.py").write_text("def train(model, report): return {'val_accuracy': 0.9}\n")
    with pytest.raises(RunFailed, match=r"data or code of the study have changed since the search began; undo"):
        ProcessPool(study, Checkpoints(None), [CPU])


def test_a_loop_may_have_processes_of_its_own(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text(
        "import multiprocessing\n"
        "def train(model, report):\n"
        "    child = multiprocessing.get_context('fork').Process(target=print)\n"
        "    child.start(); child.join()\n"
        "    return {'val_accuracy': 0.5}\n"
    )
    tiny["train"] = {"import": "loop.py:train", "epochs": 1}
    tiny["search"] |= {"workers": 2, "trials": 1}
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert {row.reason for row in rows} == {None}


def test_numbers_of_trials_that_were_lost_are_given_again(tiny, write, tmp_path, run):
    class Stop(Watcher):
        """Ctrl-C when the second trial has ended, whatever its number."""

        ended_trials = 0

        def design_ends(self, row) -> None:
            self.ended_trials += row.role == "trial"
            if self.ended_trials == 2:
                raise KeyboardInterrupt

    tiny["search"] |= {"workers": 2, "trials": 6, "rungs": None, "sampler": "random"}
    study = prepare(write(tiny))
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "run", Stop())
    _, rows = run(study, tmp_path / "run")
    assert sorted(row.trial for row in rows if row.role == "trial") == list(range(6))


def test_a_network_that_does_not_fit_is_no_rate(tiny, write, monkeypatch):
    from attnspace.errors import TrainingFailed
    from attnspace.workers.trainer import Trainer

    def fails(self, seconds):
        raise TrainingFailed("out of memory")

    monkeypatch.setattr(Trainer, "probe", fails)
    assert probed(Trainer(prepare(write(tiny)), Checkpoints(None), CPU), 1.0) == 0.0


def test_latencies_want_an_idle_machine(tiny, write):
    tiny["search"]["workers"] = 2
    tiny["objective"] = {"maximize": "val_accuracy", "subject_to": {"latency_ms": 10}}
    with pytest.raises(StudyError, match=r"search\.workers: cannot be more than 1 where latencies are measured"):
        prepare(write(tiny))


def test_a_probe_trains_in_all_workers_and_leaves_them_ready(tiny, write, monkeypatch):
    monkeypatch.setattr(processes, "PROBE_SECONDS", 0.2)
    study = prepare(write(tiny))
    with ProcessPool(study, Checkpoints(None), [CPU], threads=1) as pool:
        assert pool.probe() > 0
        pool.start([CPU])
        assert pool.size == 2
        assert pool.probe() > 0
        pool.stop(1)
        assert pool.size == 1
        pool.submit(Job(study.baselines[0], 0, 0, 1))
        assert pool.busy == 1
        job, row = pool.next_result()
        assert (job.design.name, row.outcome, pool.busy) == ("none", "done", 0)


class Counted:
    """A pool whose throughput is made up."""

    def __init__(self, rates: list[float]) -> None:
        self.rates, self.size = rates, 1

    def probe(self) -> float:
        return self.rates[self.size - 1]

    def start(self, where) -> None:
        self.size += len(where)

    def stop(self, number: int) -> None:
        self.size -= number


@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ([100, 190, 250, 260, 300], 3),  # a gain of 4% ends it
        ([100, 90, 300], 1),
        ([0.0, 50], 1),  # memory does not suffice for one
        ([100, 180, 0.0, 500], 2),  # nor for three
        ([float(n) for n in range(1, 20)], 8),
    ],
)
def test_workers_are_added_as_long_as_they_bring_something(monkeypatch, rates, best):
    monkeypatch.setattr(sizing.os, "cpu_count", lambda: 64)
    said = []
    assert sizing._measured(Counted(rates), [CPU], said.append).size == best
    assert said[0].startswith(f"{best} training")


def test_a_device_that_takes_no_further_process_has_enough(monkeypatch):
    class Full(Counted):
        def start(self, where) -> None:
            if self.size == 2:
                raise RunFailed("a worker could not begin")
            super().start(where)

    monkeypatch.setattr(sizing.os, "cpu_count", lambda: 64)
    assert sizing._measured(Full([100.0, 200.0, 300.0]), [CPU], lambda said: None).size == 2


def test_one_worker_is_this_process(tiny, write):
    for workers in (1, None):
        tiny["search"]["workers"] = workers
        with open_pool(prepare(write(tiny)), Checkpoints(None)) as pool:
            assert isinstance(pool, InlinePool)


def test_devices_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices("auto") == devices("cpu") == [CPU]
    with pytest.raises(
        StudyError, match=r'search\.device: there is no such device here; got "cuda"; allowed: auto, cpu'
    ):
        devices("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices("auto") == devices("cuda") == [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert devices("cuda:1") == [torch.device("cuda", 1)]
    with pytest.raises(StudyError, match=r'got "cuda:2"; allowed: auto, cpu, cuda:0, cuda:1'):
        devices("cuda:2")


def test_a_crew_that_trains_nothing_ends_at_once(tiny, write):
    study = prepare(write(tiny))
    pool = ProcessPool(study, Checkpoints(None), [CPU])
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < processes.PATIENCE_S
    assert pool.size == 0
