"""Files are written whole or not at all, also where several processes write one at once."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from attnspace.documents.writing import is_partial, partial_name, sweep, write_bytes, write_text, write_whole
from attnspace.errors import RunFailed


def test_many_writers_of_one_file_leave_the_whole_of_one_and_nothing_else(tmp_path):
    file = tmp_path / "report.html"
    contents = [str(i) * 200_000 for i in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda text: write_text(file, text), contents * 4))
    assert file.read_text() in contents
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    file = tmp_path / "winner.json"
    write_text(file, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match="cannot be written: No space left on device"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_directory_in_the_place_of_a_file_is_said(tmp_path):
    with pytest.raises(RunFailed, match="cannot be written: Is a directory"):
        write_bytes(tmp_path, b"")


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_text(link, "written")
    assert link.is_symlink()
    assert target.read_text() == "written"


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(pipe.read_bytes)
        write_whole(pipe, b"through")
        assert read.result() == b"through"
    assert pipe.is_fifo()


def test_what_a_process_that_runs_no_more_left_is_removed_and_what_another_writes_is_not(tmp_path):
    code = "import sys; from pathlib import Path; from attnspace.documents.writing import partial_name\n"
    code += "partial_name(Path(sys.argv[1])).touch()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True)
    mine = partial_name(tmp_path / "a")
    mine.touch()
    (tmp_path / "a").touch()
    assert sum(map(is_partial, tmp_path.iterdir())) == 2
    longer = tmp_path / f"a.partial-{socket.gethostname()}-2-1-00000000"  # of another machine, called HOST-2
    longer.touch()
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, longer, tmp_path / "a"}
