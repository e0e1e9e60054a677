import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from attnspace.data import DigitsConfig, progress, progress_bar
from attnspace.data.hub import HubPath
from attnspace.errors import DataError
from tests.data.made_images import config, write_set

HUB = "hf://datasets/uoft-cs/cifar10/plain_text"
BOTH_WAYS = (
    "with internet: pip install -c constraints.txt 'attnspace[hub]'{written}; without it: name a local copy with --data FOLDER or "
    "ATTNSPACE_DATA=FOLDER, which holds train*.parquet and test*.parquet"
)


def test_a_study_that_says_nothing_has_digits():
    assert config() == DigitsConfig()


def test_external_data_have_a_shape_and_no_images():
    chosen = config(kind="external", shape=[3, 32, 24], classes=7)
    data = chosen.load()
    assert data.input_shape == (3, 32, 24)
    assert (len(data.train), len(data.validation), len(chosen.load().sealed_test()), len(data.classes)) == (0, 0, 0, 7)
    assert data.fingerprint == "external/3x32x24/7"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("hf://datasets/uoft-cs/cifar10", HubPath("uoft-cs/cifar10", None, "")),
        ("hf://datasets/uoft-cs/cifar10/", HubPath("uoft-cs/cifar10", None, "")),
        ("hf://datasets/a/b@main/c/d", HubPath("a/b", "main", "c/d")),
        ("hf://datasets/a/b@refs/convert/parquet/c", HubPath("a/b", "refs/convert/parquet", "c")),
        ("hf://datasets/a", None),
        ("hf://models/a/b", None),
    ],
)
def test_paths_of_the_hub_are_taken_apart(path, expected):
    assert HubPath.parse(path) == expected


def test_a_data_set_of_the_hub_is_downloaded_at_one_commit(tmp_path, monkeypatch):
    import huggingface_hub

    write_set(tmp_path / "snapshot" / "plain_text")
    asked = []

    class Api:
        def dataset_info(self, repository, **given):
            asked.append((repository, given))
            return SimpleNamespace(sha="c0ffee")

    def download(repository, **given):
        asked.append((repository, given))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert len(config(kind="parquet", path=HUB, validation=10).load().train) == 30
    patterns = [
        f"plain_text/{name}"
        for name in ("train*.parquet", "test*.parquet", "val*.parquet", "dev*.parquet")
        for name in (name, f"*/{name}")
    ]
    assert asked == [
        ("uoft-cs/cifar10", {"revision": None, "timeout": 5}),
        (
            "uoft-cs/cifar10",
            {
                "repo_type": "dataset",
                "revision": "c0ffee",
                "allow_patterns": patterns,
                "etag_timeout": 5,
                "local_files_only": False,
            },
        ),
    ]


def test_without_internet_what_was_downloaded_before_is_used(tmp_path, monkeypatch):
    import huggingface_hub

    write_set(tmp_path / "snapshot" / "plain_text")
    asked = []

    def kept(repository, **given):
        asked.append(given["local_files_only"])
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", kept)
    assert len(config(kind="parquet", path=HUB, validation=10).load().train) == 30
    assert asked == [True]


def test_missing_data_say_both_ways_to_get_them(monkeypatch, tmp_path):
    with pytest.raises(DataError) as raised:
        config(kind="parquet", path=HUB).load()
    assert str(raised.value) == (
        f"path: cannot be downloaded: no route to the hub: {HUB}; {BOTH_WAYS.format(written='')}"
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError) as raised:
        config(kind="parquet", path=HUB).load()
    assert str(raised.value) == (
        f"path: cannot be downloaded: huggingface_hub is not installed: {HUB}; {BOTH_WAYS.format(written='')}"
    )
    with pytest.raises(DataError) as raised:
        config(kind="parquet", path=str(tmp_path / "nowhere")).load()
    written = " and write path: hf://datasets/OWNER/NAME"
    assert str(raised.value) == (
        f"path: there is no folder or file: {tmp_path / 'nowhere'}; {BOTH_WAYS.format(written=written)}"
    )


@pytest.mark.parametrize("kind", ["parquet", "image_folder"])
def test_paths_are_seen_from_the_study_and_a_local_copy_stands_for_them(kind, tmp_path):
    chosen = config(kind=kind, path="../images")
    assert chosen.located(tmp_path / "studies").path == str(tmp_path / "images")
    assert config(kind=kind, path="/images").located(tmp_path).path == "/images"
    assert config(kind=kind, path="~/images").located(tmp_path).path == str(Path.home() / "images")
    assert chosen.located(tmp_path, Path("/copy")).path == "/copy"
    assert chosen.located(tmp_path, Path("copy")).path == str(Path.cwd() / "copy")


def test_paths_of_the_hub_are_the_same_from_everywhere(tmp_path):
    assert config(kind="parquet", path=HUB).located(tmp_path).path == HUB
    assert config(kind="parquet", path=HUB).located(tmp_path, Path("/copy")).path == "/copy"


@pytest.mark.parametrize(
    "data", [{}, {"kind": "external", "shape": [1, 2, 2], "classes": 2}, {"import": "tests.data.functions:made"}]
)
def test_data_without_a_path_have_no_local_copy(data, tmp_path):
    chosen = config(**data)
    assert chosen.located(tmp_path) == chosen
    with pytest.raises(DataError) as raised:
        chosen.located(tmp_path, Path("/copy"))
    assert str(raised.value) == (
        f"kind: data of kind {chosen.kind} have no path that a local copy could stand for; "
        'got "/copy"; leave out --data, and unset ATTNSPACE_DATA'
    )


@pytest.mark.parametrize(("seconds", "shows"), [(0.5, False), (1.5, True)])
def test_a_bar_is_drawn_for_work_that_takes_longer_than_a_moment(monkeypatch, seconds, shows):
    stream = io.StringIO()
    clock = iter([0.0, seconds, seconds])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with progress_bar(Console(file=stream, force_terminal=True, width=100)) as watch:
        watch("decode training images", 1, 3)
        watch("decode training images", 2, 3)
    assert ("decode training images" in stream.getvalue()) == shows
    assert bool(stream.getvalue()) == shows


def test_no_bar_is_drawn_where_there_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "PATIENCE_S", -1)
    with progress_bar(Console(file=stream, width=100)) as watch:
        watch("decode training images", 1, 3)
    assert not stream.getvalue()
