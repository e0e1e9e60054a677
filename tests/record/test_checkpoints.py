"""A checkpoint is loaded as it was written, or not at all."""

import random
from collections import OrderedDict

import pytest
import torch

from attnspace.errors import RunFailed
from attnspace.record.checkpoints import Checkpoints

STATE = {"weights": OrderedDict(a=torch.arange(500.0)), "step": 7, "history": [{"epoch": 1, "loss": 0.5}]}


@pytest.fixture
def kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save("design", 0, 3, STATE)
    return checkpoints, next((tmp_path / "checkpoints").iterdir())


def test_what_is_saved_is_loaded(kept):
    checkpoints, _ = kept
    found = checkpoints.load("design", 0, 3)
    assert torch.equal(found["weights"]["a"], STATE["weights"]["a"])
    assert (found["step"], found["history"]) == (7, STATE["history"])
    assert checkpoints.load("design", 1, 3) is None


def test_no_damaged_file_is_loaded(kept):
    checkpoints, file = kept
    whole, rng = file.read_bytes(), random.Random(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for at in rng.sample(range(len(whole)), 64):
            damaged[at] ^= rng.randrange(1, 256)
        file.write_bytes(damaged)
        assert checkpoints.load("design", 0, 3) is None
    for length in (0, 5, 40, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert checkpoints.load("design", 0, 3) is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x04N.", b"PK\x05\x06" + bytes(18), bytes(10_000)])
def test_a_strangers_file_is_not_loaded(kept, content):
    checkpoints, file = kept
    file.write_bytes(content)
    assert checkpoints.load("design", 0, 3) is None


def test_a_directory_in_the_place_of_a_checkpoint_ends_nothing_but_what_must_be_written_there(kept):
    checkpoints, file = kept
    file.unlink()
    file.mkdir()
    assert checkpoints.load("design", 0, 3) is None
    checkpoints.drop("design", 0, 3)
    checkpoints.keep({})
    with pytest.raises(RunFailed, match="cannot be written: Is a directory"):
        checkpoints.save("design", 0, 3, STATE)
    checkpoints.clear()
    assert not checkpoints.folder.exists()
