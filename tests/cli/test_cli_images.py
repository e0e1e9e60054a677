"""Searches on images of the user's own, in networks of the user's own, by the command line."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from attnspace.errors import AttnspaceError, StudyError
from attnspace.study.config import load_config
from attnspace.study.loading import prepare
from tests.cli.test_cli import call  # noqa: F401  # a fixture
from tests.data.made_images import encoded, write_parquet, write_set

BLOCK = {
    "kind": "gate",
    "squeeze": {"kind": "global", "stats": {"$subset": ["avg", "max"]}},
    "excite": [{"kind": "fc", "reduction": {"$choice": [4, 8]}}],
}
MODEL = """
from torch import nn

def network(in_channels, num_classes, width):
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes),
    )
"""
BACKBONES = {
    "timm ResNet-18": {"kind": "timm", "model": "resnet18"},
    "timm ResNet-18, slots by type": {"kind": "timm", "model": "resnet18", "slots": {"residual": "layer*.*.bn2"}},
    "torchvision MobileNetV2": {
        "kind": "torchvision",
        "model": "mobilenet_v2",
        "slots": {"residual": "features.*.conv.3"},
    },
    "MobileNetV2": {"kind": "mobilenet_v2"},
    "my own": {"import": "mine.py:network", "args": {"width": 16}, "slots": {"residual": {"type": "BatchNorm2d"}}},
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ATTNSPACE_DATA", raising=False)


def picture(path, seed: int, label: int) -> None:
    """Noise; the first class is brighter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 156, (32, 32, 3), dtype=np.uint8) + 100 * (label == 0)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def images(tmp_path):
    """40 pictures of two classes."""
    for i in range(40):
        picture(tmp_path / "pictures" / ["bright", "dark"][i % 2] / f"{i}.png", i, i % 2)
    return tmp_path / "pictures"


def study(**changes) -> dict:
    return {
        "name": "mine",
        "data": {"kind": "image_folder", "path": "pictures", "validation": 8, "test_images": 8},
        "backbone": {"kind": "resnet", "depth": 8, "width": 16},
        "space": {"block": BLOCK},
        "train": {"epochs": 1, "batch_size": 12, "lr": 0.02},
        "search": {"trials": 2, "threads": 1, "rungs": None},
        **changes,
    }


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_network_of_the_users_is_searched_on_images_of_the_users(call, images, write, tmp_path, backbone):  # noqa: F811
    (tmp_path / "mine.py").write_text(MODEL)
    status, out, err = call("search", write(study(backbone=BACKBONES[backbone])), "--run", tmp_path / "run")
    assert (status, err) == (0, "")
    assert "none (baseline)" in out
    rows = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    assert len(rows) == 7
    assert set(rows["outcome"]) == {"done"}, list(rows["reason"])
    assert rows["params"].nunique() > 3
    assert (tmp_path / "run" / "report.html").stat().st_size > 100_000


def test_data_may_be_elsewhere_for_search_confirm_and_report_alike(call, tmp_path, write, monkeypatch):  # noqa: F811
    write_set(tmp_path / "there", train=40, test=10)
    write_set(tmp_path / "moved", train=40, test=10)
    config = study(data={"kind": "parquet", "path": "nowhere", "validation": 8})
    path, run = write(config), tmp_path / "run"
    status, _, err = call("search", path, "--run", run)
    assert status == 2
    assert "there is no" in err
    assert "name a local copy with --data FOLDER or ATTNSPACE_DATA=FOLDER, which holds train*.parquet" in err
    assert not run.exists()
    assert call("search", path, "--run", run, "--data", "there")[0] == 0
    kept = yaml.safe_load((run / "study.yaml").read_text())
    assert kept["data"]["path"] == str(tmp_path / "there")
    # The same images at another place are the same study; the run itself remembers where they were.
    monkeypatch.setenv("ATTNSPACE_DATA", "moved")
    status, out, _ = call("search", path, "--run", run)
    assert status == 0
    assert "resuming after 7 of 7 designs" in out
    monkeypatch.delenv("ATTNSPACE_DATA")
    assert call("confirm", run, "--top", 1, "--seeds", 2)[0] == 0


def test_other_images_at_the_same_place_are_another_study(call, tmp_path, write):  # noqa: F811
    write_set(tmp_path / "there", train=40, test=10)
    path = write(study(data={"kind": "parquet", "path": "there", "validation": 8}))
    assert call("search", path, "--run", tmp_path / "run")[0] == 0
    write_set(tmp_path / "there", train=44, test=10)
    status, _, err = call("search", path, "--run", tmp_path / "run")
    assert status == 2
    assert "was begun when its images, their labels or their splits were others; undo the change" in err
    other = write(study(name="other", data={"kind": "parquet", "path": "there", "validation": 8}), "other.yaml")
    status, _, err = call("migrate", tmp_path / "run", other)
    assert status == 2
    assert "was trained on other images or by other code" in err


def test_data_that_have_no_place_refuse_one(call, tiny, write, tmp_path, monkeypatch):  # noqa: F811
    status, _, err = call("search", write(tiny), "--data", tmp_path)
    assert status == 2
    assert "study.yaml:6: data.kind: data of kind digits have" in err
    assert "leave out --data" in err
    monkeypatch.setenv("ATTNSPACE_DATA", str(tmp_path))
    assert call("check", write(tiny))[0] == 0


def test_settings_take_the_place_of_keys_and_are_named_in_faults(call, tiny, write, tmp_path):  # noqa: F811
    path = write(tiny)
    few = write({"name": "few", "search": {"trials": 1}}, "few.yaml")
    status, out, _ = call("search", path, "--settings", few)
    assert status == 0
    assert "few: 5 baselines and 1 trials" in out
    kept = yaml.safe_load((tmp_path / "runs" / "few" / "study.yaml").read_text())
    assert (kept["search"]["trials"], kept["search"]["threads"], kept["train"]["lr"]) == (1, 1, 0.02)
    wrong = write({"search": {"trials": 1}, "train": {"epochs": 0}}, "wrong.yaml")
    status, _, err = call("check", path, "--settings", wrong)
    assert status == 2
    assert err.startswith(f"error: {wrong}:4: train.epochs: should be at least 1; got 0")
    status, _, err = call("check", write({**tiny, "train": {"epochs": 0}}), "--settings", few)
    assert err.startswith(f"error: {path}:") and "train.epochs" in err  # noqa: PT018


def test_settings_go_into_mappings_and_a_space_is_taken_whole(tiny, write):
    tiny["train"]["augment"] = {"shift": 1, "flip": True}
    path = write(tiny)
    config, _ = load_config(path, write({"train": {"kind": "sgd", "augment": {"shift": 2}}}, "one.yaml"))
    assert (config.train.augment.shift, config.train.augment.flip, config.train.batch_size) == (2, True, 30)
    config, _ = load_config(path, write({"space": {"block": {"$published": "eca"}}}, "two.yaml"))
    assert config.space.block == {"$published": "eca"}
    assert config.space.placement == {}
    with pytest.raises(StudyError, match=r"three\.yaml:\d+: space\.block: is missing"):
        load_config(path, write({"space": {"placement": {}}}, "three.yaml"))


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"kind": "timm", "model": "resnet18", "slots": {"residual": {"typ": "ReLU"}}}, r"slots\.residual\.typ"),
        ({"import": "mine.py:network", "slots": {"residual": {"typ": "ReLU"}}}, r"backbone\.slots\.residual\.typ"),
        ({"import": "mine.py:network", "slot": {}}, r"backbone\.slot: unknown key 'slot'.* did you mean 'slots'"),
        (
            {"import": "mine.py:network", "args": {"width": 16}, "slots": {"after_act": {"type": "ReLU"}}},
            r"position 'residual' does not exist; allowed: after_act; say where baselines stand: baselines: \{placement",
        ),
    ],
)
def test_faults_of_a_backbone_are_named_where_they_are(images, write, tmp_path, backbone, message):
    (tmp_path / "mine.py").write_text(MODEL)
    space = {"block": BLOCK, "placement": {"position": "after_act"}}
    with pytest.raises(AttnspaceError, match=message):
        prepare(write(study(backbone=backbone, space=space)))


def test_settings_of_another_kind_replace_the_whole_section(call, tiny, write, images, tmp_path):  # noqa: F811
    other = write({"data": study()["data"], "train": {"epochs": 1, "batch_size": 12}}, "other.yaml")
    status, out, err = call("check", write(tiny), "--settings", other)
    assert (status, err) == (0, "")
    assert "a study: 5 baselines" in out


def test_images_that_are_left_out_are_told(call, images, write, tmp_path):  # noqa: F811
    (images / "dark" / "broken.jpg").write_bytes(b"no image")
    status, _, err = call("search", write(study()), "--run", tmp_path / "run")
    assert status == 2
    assert "dark/broken.jpg" in err
    assert "faulty: skip" in err
    assert not (tmp_path / "run").exists()
    config = study()
    config["data"]["faulty"] = "skip"
    status, out, _ = call("search", write(config), "--run", tmp_path / "run")
    assert status == 0
    assert "note: " in out
    assert "broken.jpg" in out


def test_classes_counts_and_notes_are_told_by_check_and_search_and_stand_in_the_report(call, images, write, tmp_path):  # noqa: F811
    (images / "dark" / "again.png").write_bytes((images / "bright" / "0.png").read_bytes())
    path, run = write(study()), tmp_path / "run"
    for command in (("check", path), ("search", path, "--run", run)):
        status, out, _ = call(*command)
        assert status == 0
        assert "images: 25 train, 8 validation, 8 test; 3 x 32 x 32" in out
        assert "2 classes (train/validation/test): bright 12/4/4, dark 13/4/4" in out
        assert "note: 1 image stands under two labels, such as bright and dark" in out
    page = (run / "report.html").read_text()
    table = page.split('<table id="images">')[1].split("</table>")[0]
    assert re.findall(r"<td[^>]*>(?:<b>)?([^<]*)", table) == [
        "bright",
        "12",
        "4",
        "4",
        "dark",
        "13",
        "4",
        "4",
        "all",
        "25",
        "8",
        "8",
    ]
    assert "1 image stands under two labels, such as bright and dark" in page
    (run / "data.json").unlink()  # as in a run of an earlier version
    assert call("report", run)[0] == 0
    assert "<h2>Images</h2>" not in (run / "report.html").read_text()
    (run / "data.json").write_text("[1]")
    status, _, err = call("report", run)
    assert (status, "data.json: does not say which images there are" in err) == (2, True)


def test_test_labels_that_are_hidden_are_found_before_anything_is_trained(call, write, tmp_path):  # noqa: F811
    write_set(tmp_path / "there", train=40)
    write_parquet(tmp_path / "there" / "test.parquet", [b"sealed"] * 10, [-1] * 10)
    path = write(study(data={"kind": "parquet", "path": "there", "validation": 8}))
    for command in ("check", "search"):
        status, _, err = call(command, path)
        assert status == 2
        assert "data.test: no test image has a label that can be used: test.parquet row 0 label -1" in err
    assert not (tmp_path / "runs").exists()


def test_a_batch_of_more_images_than_train_is_refused_at_once(call, images, write, tmp_path):  # noqa: F811
    path = write(study(train={"epochs": 1, "batch_size": 25}))
    for command in ("check", "search"):
        status, _, err = call(command, path)
        assert status == 2
        assert err.endswith(
            "train.batch_size: is more than the 24 training images, so that no whole batch could be drawn; got 25; "
            "allowed: 2 to 24; make it smaller, or train on more images\n"
        )
    assert call("check", write(study(train={"epochs": 1, "batch_size": 24})))[0] == 0


def test_a_damaged_test_image_that_a_confirmation_finds_may_be_left_out(call, write, tmp_path):  # noqa: F811
    write_set(tmp_path / "there", train=40)
    write_parquet(tmp_path / "there" / "test.parquet", [b"damaged", *(encoded(900 + i) for i in range(7))], [0, 1] * 4)
    config = study(data={"kind": "parquet", "path": "there", "validation": 8}, confirm={"top": 1, "seeds": 2})
    path, run = write(config), tmp_path / "run"
    assert call("search", path, "--run", run)[0] == 0
    status, _, err = call("confirm", run)
    assert status == 2
    assert "test.parquet row 0 is no image" in err
    config["data"]["faulty"] = "skip"
    status, out, _ = call("search", write(config), "--run", run)
    assert (status, "resuming after 7 of 7 designs" in out) == (0, True)
    status, out, _ = call("confirm", run)
    assert (status, "row 0 is no image" in out) == (0, True)
