"""What all networks fail at ends the search; what one of them fails at is recorded."""

from dataclasses import replace
from itertools import count

import pytest

from attnspace import StudyError
from attnspace.record.evaluation import Outcome
from attnspace.record.ledger import Ledger
from attnspace.search.common_fault import CommonFault
from attnspace.study.loading import prepare
from tests.made_run import made_run

LOOP = """
from pathlib import Path

def train(model, report):
    params = sum(parameter.numel() for parameter in model.parameters())
    with Path({begun!r}).open("a") as file:
        print(params, file=file)
    {body}
"""
WORKS = "return {'val_accuracy': params % 97 / 97}"
UNLESS = "if params {} 77_754: raise RuntimeError('by itself')\n    "
OF_ALL = {
    "percent": ("return {'val_accuracy': 1 + params % 97}", "val_accuracy is .*; allowed: 0 to 1; say a share"),
    "nothing": ("return None", "the loop returned NoneType; allowed: a mapping .* such as"),
    "another name": ("return {'accuracy': 0.5}", "returned no val_accuracy; it returned accuracy; return val_accuracy"),
    "an exception": (
        "raise RuntimeError(f'shape {params} is wrong')",
        r"RuntimeError: shape \d+ is wrong \(loop.py:8\)",
    ),
    "an exit": ("raise SystemExit(3)", r"Exited: it ends the process, by sys.exit\(3\)"),
}
OF_ONE = {
    "memory": "raise RuntimeError('CUDA out of memory. Tried to allocate')",
    "no number": "return {'val_accuracy': float('nan')}",
    "an exception of the plain network": UNLESS.format("==") + WORKS,
    "an exception of all but the plain network": UNLESS.format("!=") + WORKS,
    "exceptions in other words": "raise RuntimeError('few' if params < 77_800 else 'many')",
}


@pytest.fixture
def looped(tiny, write, tmp_path):
    """Writes a study whose loop does this after it has noted which network it was given; returns the study's path."""

    def writer(body: str, **search):
        (tmp_path / "loop.py").write_text(LOOP.format(begun=str(tmp_path / "begun"), body=body))
        tiny["train"] = {"import": "loop.py:train", "epochs": 1}
        tiny["search"] |= {"trials": 2, **search}
        return write(tiny)

    return writer


def begun(folder) -> int:
    return len((folder / "begun").read_text().splitlines())


@pytest.mark.parametrize("what", OF_ALL)
def test_what_all_networks_fail_at_ends_the_search_after_two_of_them(what, looped, run, tmp_path):
    body, message = OF_ALL[what]
    with pytest.raises(StudyError, match=rf"study.yaml: every network fails alike, .*{message}.*; mend the cause"):
        run(prepare(looped(body)), tmp_path / "run")
    assert begun(tmp_path) == 2


def test_with_several_workers_it_ends_too(looped, run, tmp_path):
    with pytest.raises(StudyError, match="every network fails alike"):
        run(prepare(looped("return None", workers=2)), tmp_path / "run")
    assert begun(tmp_path) <= 4


def test_a_loop_that_was_mended_goes_on_in_the_same_directory(looped, run, tmp_path):
    with pytest.raises(StudyError):
        run(prepare(looped("return None")), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    _, rows = run(prepare(looped(WORKS)), tmp_path / "run")
    assert [row.outcome for row in rows] == ["done"] * 7


@pytest.mark.parametrize("what", OF_ONE)
def test_what_a_design_fails_at_is_recorded(what, looped, run, tmp_path):
    _, rows = run(prepare(looped(OF_ONE[what])), tmp_path / "run")
    assert len(rows) == begun(tmp_path) == 7
    assert "failed" in {row.outcome for row in rows}
    assert rows[0].name == "none"


@pytest.fixture
def rows(tmp_path):
    """The plain network and four others, all failed in the same words."""
    ledger = Ledger(made_run(tmp_path / "made", trials=0) / "ledger.db")
    made = ledger.rows()
    ledger.close()
    numbers = count()
    return [replace(row, outcome=Outcome.FAILED, reason=f"no {next(numbers)}.5 there") for row in made[:5]]


def test_failures_of_others_wait_for_the_plain_network(rows):
    plain, *others = rows
    fault = CommonFault(plain.design, "study.yaml", begun=False)
    assert [fault.sift(other) for other in others] == [[], [], [], []]
    with pytest.raises(StudyError, match=r"no 0\.5 there"):
        fault.sift(plain)


def test_a_network_that_was_trained_lets_failures_go_on_record_in_their_order(rows):
    plain, first, second, third, fourth = rows
    fault = CommonFault(plain.design, "study.yaml", begun=False)
    assert fault.sift(first) == []
    done = replace(second, outcome=Outcome.DONE, reason=None)
    assert fault.sift(done) == [first, done]
    assert [fault.sift(row) for row in (plain, third, fourth)] == [[plain], [third], [fourth]]


def test_in_a_search_that_goes_on_failures_are_recorded_at_once(rows):
    plain, first, *_ = rows
    fault = CommonFault(plain.design, "study.yaml", begun=True)
    assert [fault.sift(row) for row in (plain, first)] == [[plain], [first]]


def test_what_is_held_back_at_the_end_is_recorded(rows):
    plain, first, *_ = rows
    fault = CommonFault(plain.design, "study.yaml", begun=False)
    assert fault.sift(first) == []
    assert fault.rest() == [first]
    assert fault.rest() == []
