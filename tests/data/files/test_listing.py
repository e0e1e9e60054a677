import os
import socket

import pytest

from attnspace.data.files.listing import file_fault, files_below, folders_in
from attnspace.errors import DataError


def test_links_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "set" / "inner").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for path in ("set/a", "set/inner/b", "elsewhere/c"):
        (tmp_path / path).write_text("")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "inner" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "gone").symlink_to(tmp_path / "nothing")
    found = {path.relative_to(tmp_path / "set").as_posix() for path in files_below(tmp_path / "set")}
    assert found == {"a", "inner/b", "link/c", "gone"}


def test_a_folder_that_is_linked_twice_is_listed_twice(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("")
    (tmp_path / "set").mkdir()
    for name in ("one", "two"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "real")
    assert sorted(path.parent.name for path in files_below(tmp_path / "set")) == ["one", "two"]
    assert [path.name for path in folders_in(tmp_path / "set")] == ["one", "two"]


def test_what_cannot_be_read_is_said_without_waiting_for_it(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        faults = {name: file_fault(tmp_path / name) for name in ("file", "link", "circle", "pipe", "s", "none")}
    no_bytes = "is no file of bytes, but a pipe, a socket or a device"
    assert faults == {
        "file": None,
        "link": "is a link to nothing",
        "circle": "cannot be read: Too many levels of symbolic links",
        "pipe": no_bytes,
        "s": no_bytes,
        "none": "cannot be read: No such file or directory",
    }


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"^path: .*nowhere cannot be read: No such file or directory$"):
        files_below(tmp_path / "nowhere")
