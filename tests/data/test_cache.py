import errno
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest
import torch

from attnspace.data import cache as cache_module
from attnspace.data import decoder, digests, folders
from attnspace.data.folders import cache_folder
from attnspace.errors import DataError
from tests.data.made_images import config, encoded, write_folder, write_set


@pytest.fixture
def parquet(tmp_path):
    write_set(tmp_path / "set")
    return config(kind="parquet", path=str(tmp_path / "set"), validation=10)


@pytest.fixture
def decodings(monkeypatch):
    """Counts the sources that are decoded."""
    seen = []
    real = decoder.decode_source
    monkeypatch.setattr(
        cache_module, "decode_source", lambda source, *rest: seen.append(source.part) or real(source, *rest)
    )
    return seen


@pytest.fixture
def digested(monkeypatch):
    """The numbers of files whose bytes are read for their digest; a source has one, a folder of the cache five."""
    seen = []
    real = digests._read
    monkeypatch.setattr(digests, "_read", lambda files, watch: seen.append(len(files)) or real(files, watch))
    return seen


def whole(data) -> torch.Tensor:
    return torch.cat([data.train.images.read(), data.validation.images.read()])


def test_the_second_start_neither_decodes_nor_reads_the_source(parquet, decodings, digested):
    first, second = parquet.load(), parquet.load()
    assert (decodings, digested) == (["training"], [1, 5, 5, 1])  # test images are digested, and not decoded
    assert torch.equal(whole(first), whole(second))
    assert (first.fingerprint, first.mean.tolist(), first.notes) == (
        second.fingerprint,
        second.mean.tolist(),
        second.notes,
    )


def test_the_same_bytes_elsewhere_are_digested_but_not_decoded_again(parquet, tmp_path, decodings, digested):
    parquet.load()
    write_set(tmp_path / "copy")
    config(kind="parquet", path=str(tmp_path / "copy"), validation=10).load()
    assert (decodings, digested) == (["training"], [1, 5, 5, 1, 1, 1])


def test_other_settings_are_decoded_into_folders_of_their_own(parquet, decodings, cache):
    parquet.load()
    for change in ({"size": 4}, {"channels": 1}):
        parquet.model_copy(update=change).load()
    assert decodings == ["training"] * 3
    assert len(list((cache / "images").iterdir())) == 3


def test_a_change_of_the_source_is_noticed(tmp_path, decodings):
    write_folder(tmp_path / "set")
    chosen = config(kind="image_folder", path=str(tmp_path / "set"), validation=4, test_images=4)
    before = chosen.load().fingerprint
    file = tmp_path / "set" / "cat" / "003.png"
    stamp = file.stat()
    file.write_bytes(encoded(77))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as `cp -p` leaves it
    assert chosen.load().fingerprint != before
    assert len(decodings) == 2


def test_a_source_that_changes_while_it_is_decoded_is_not_kept(parquet, tmp_path, monkeypatch, cache):
    real = decoder.decode_source

    def changed(*given):
        real(*given)
        write_set(tmp_path / "set", train=42)

    monkeypatch.setattr(cache_module, "decode_source", changed)
    with pytest.raises(DataError, match=r"^path: .* changed while it was read; start again$"):
        parquet.load()
    assert not list((cache / "images").iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "images.npy").unlink(),
        lambda folder: os.truncate(folder / "images.npy", 500),
        lambda folder: os.truncate(folder / "images.npy", 0),
        lambda folder: os.truncate(folder / "labels.npy", 130),
        lambda folder: os.truncate(folder / "sums.npy", 0),
        lambda folder: (folder / "squares.npy").unlink(),
        lambda folder: (folder / "about.json").write_text("{"),
        lambda folder: (folder / "about.json").write_text("[]"),
        lambda folder: (folder / "about.json").unlink(),
        lambda folder: (folder / "about.json").write_text(json.dumps({"images": 39, "faulty": 0, "faults": []})),
        lambda folder: flipped(folder / "images.npy"),
        lambda folder: flipped(folder / "labels.npy"),
        lambda folder: flipped(folder / "sums.npy"),
        lambda folder: (folder / "digests.json").unlink(),
        lambda folder: (folder / "digests.json").write_text("null"),
    ],
)
def test_a_damaged_folder_is_decoded_again(parquet, cache, decodings, damage):
    before = whole(parquet.load())
    damage(next((cache / "images").iterdir()))
    assert torch.equal(whole(parquet.load()), before)
    parquet.load()
    assert decodings == ["training"] * 2
    assert [folder.name for folder in (cache / "images").iterdir() if ".partial-" in folder.name] == []


def flipped(file) -> None:
    """Changes one bit near the end of a file, whose size stays the same."""
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_a_damaged_digest_gives_no_wrong_images(parquet, cache, content):
    before = whole(parquet.load())
    next((cache / "digests").iterdir()).write_bytes(content)
    assert torch.equal(whole(parquet.load()), before)


def test_a_full_disk_is_named_with_what_is_needed_and_leaves_nothing(parquet, cache, monkeypatch):
    def full(*args, **given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(decoder.np, "save", full)
    with pytest.raises(DataError) as raised:
        parquet.load()
    message = str(raised.value)
    assert message.startswith(
        f"{cache}: decoded images cannot be kept here: No space left on device; they need 4.3 kB; "
    )
    assert message.endswith(" are free; make room, or set ATTNSPACE_CACHE to a folder that has it")
    assert not list((cache / "images").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts file systems")
def test_a_disk_that_is_really_full_ends_no_process(tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        monkeypatch.setenv("ATTNSPACE_CACHE", str(small))
        write_set(tmp_path / "set", train=200)
        chosen = config(kind="parquet", path=str(tmp_path / "set"), validation=10, size=64)
        with pytest.raises(DataError, match=r"No space left on device; they need 2.5 MB; .* are free; make room"):
            chosen.load()
        assert not list((small / "images").iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_cache_that_cannot_be_made_is_named(parquet, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTNSPACE_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(
        DataError, match=r"below: decoded images cannot be kept here: Not a directory; make room, or set"
    ):
        parquet.load()


def test_a_stop_by_the_user_leaves_nothing(parquet, cache, monkeypatch):
    def stopped(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parquet.load(stopped)
    assert not (cache / "images").exists() or not list((cache / "images").iterdir())
    assert len(parquet.load().train) == 30


def test_what_a_killed_process_left_is_removed_by_the_next_and_never_read(parquet, tmp_path, cache):
    script = f"""
        import os, signal
        from attnspace.data import ParquetConfig, cache, decoder
        real = decoder.decode_source
        def killed(*given):
            real(*given)
            os.kill(os.getpid(), signal.SIGKILL)
        cache.decode_source = killed
        ParquetConfig(kind="parquet", path={str(tmp_path / "set")!r}, validation=10).load()
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = (cache / "images").iterdir()
    assert ".partial-" in left.name
    assert len(parquet.load().train) == 30
    (kept,) = (cache / "images").iterdir()
    assert ".partial-" not in kept.name


def test_a_small_file_that_a_killed_process_left_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, busy = (
        tmp_path / f"a.partial-{socket.gethostname()}-{process}-00000000" for process in (ended.pid, os.getppid())
    )
    left.write_text("half")
    busy.write_text("half")
    folders.keep_text(tmp_path / "b", "whole")
    assert (left.exists(), busy.exists(), (tmp_path / "b").read_text()) == (False, True, "whole")


def test_the_folder_of_a_process_that_runs_is_left_alone(parquet, cache):
    parquet.load()
    (kept,) = (cache / "images").iterdir()
    busy = kept.with_name(f"other.partial-{socket.gethostname()}-{os.getppid()}-00000000")
    busy.mkdir()
    parquet.model_copy(update={"size": 4}).load()
    assert busy.exists()


def start(chosen, gate, results):
    gate.wait()
    data = chosen.load()
    results.put((data.fingerprint, int(data.train.images.read().sum())))


def test_two_processes_that_decode_the_same_both_succeed(parquet, cache):
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(2), context.Queue()
    both = [context.Process(target=start, args=(parquet, gate, results)) for _ in range(2)]
    for process in both:
        process.start()
    found = {results.get(timeout=120) for _ in both}
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert found == {(parquet.load().fingerprint, int(parquet.load().train.images.read().sum()))}
    assert len(list((cache / "images").iterdir())) == 1


def test_a_folder_that_another_process_finished_first_is_used(parquet, cache, monkeypatch):
    real = decoder.decode_source

    def overtaken(*given):
        monkeypatch.setattr(cache_module, "decode_source", real)
        parquet.load()
        real(*given)

    monkeypatch.setattr(cache_module, "decode_source", overtaken)
    assert len(parquet.load().train) == 30
    assert len(list((cache / "images").iterdir())) == 1


def test_a_file_that_is_cut_off_later_is_an_error_not_the_end(parquet, cache):
    data = parquet.load()
    os.truncate(next((cache / "images").iterdir()) / "images.npy", 2_000)
    with pytest.raises(DataError, match=r"images.npy: was cut off; start again: it is decoded anew"):
        data.train.images.read()


def test_rows_are_read_in_the_order_asked_for(parquet):
    images = parquet.load().train.images
    everything = images.read()
    chosen = torch.tensor([5, 6, 7, 2, 2, 29, 0])
    assert torch.equal(images.read(chosen), everything[chosen])
    assert images.read(torch.empty(0, dtype=torch.int64)).shape == (0, 3, 6, 6)
    assert images.nbytes == everything.nbytes


def test_the_watch_is_told_of_reading_and_decoding(parquet):
    told = []
    parquet.load(lambda *said: told.append(said)).sealed_test()
    assert sum(what == "read bytes" for what, *_ in told) == 2
    assert told[-1] == ("decode test images", 8, 8)
    assert ("decode training images", 40, 40) in told


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ATTNSPACE_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/attnspace"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/attnspace"),
    ],
)
def test_the_cache_is_where_the_environment_says(monkeypatch, variables, expected):
    for name in ("ATTNSPACE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(cache_folder()) == expected
