"""The files of weights that a confirmation keeps."""

import pytest
import torch
from safetensors.torch import load_model, save_file
from torch import nn

from attnspace.errors import RunError, RunFailed
from attnspace.record.weights import KeptWeights, about_weights, write_weights


def network(value: float) -> nn.Module:
    made = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)).to(memory_format=torch.channels_last)
    nn.init.constant_(made[0].weight, value)
    return made


def kept(folder, *designs: str) -> KeptWeights:
    weights = KeptWeights(folder)
    for number, design in enumerate(designs):
        write_weights(weights.wanted_for(design, (1,)), network(float(number)), {"design": design, "seed": "1"})
    return weights


def names(folder) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_weights_are_read_back_with_what_they_are_of(tmp_path):
    weights = kept(tmp_path / "weights", "aa", "bb")
    other = network(9.0)
    load_model(other, weights.designs()["bb"])
    assert other[0].weight.unique().tolist() == [1.0]
    assert about_weights(weights.named("bb")) == {"design": "bb", "seed": "1"}
    assert weights.wanted_for("bb", (1, 2)) is None
    assert weights.wanted_for("bb", (3, 4)) == weights.named("bb")  # of another confirmation


def test_weights_that_two_modules_share_are_kept_once(tmp_path):
    one = nn.Conv2d(2, 2, 3).to(memory_format=torch.channels_last)
    write_weights(tmp_path / "w.safetensors", nn.Sequential(one, one), {"design": "aa"})
    again = nn.Conv2d(2, 2, 3)
    load_model(nn.Sequential(again, again), tmp_path / "w.safetensors")
    assert torch.equal(again.weight, one.weight)


def test_only_what_has_a_name_stays_and_a_design_may_have_two(tmp_path):
    weights = kept(tmp_path / "weights", "aa", "bb", "cc")
    assert weights.settle({"winner": "aa", "plain": "bb", "best_baseline": "bb", "constant": "dd"}) == ["constant"]
    assert names(weights.folder) == ["best_baseline.safetensors", "plain.safetensors", "winner.safetensors"]
    assert about_weights(weights.named("best_baseline"))["design"] == "bb"


def test_a_confirmation_that_goes_on_may_end_with_other_names(tmp_path):
    weights = kept(tmp_path / "weights", "aa", "bb")
    weights.settle({"winner": "aa", "plain": "bb"})
    weights.begin()
    assert names(weights.folder) == ["aa.safetensors", "bb.safetensors"]
    kept(weights.folder, "cc")
    assert weights.settle({"winner": "cc", "best_baseline": "aa", "plain": "bb"}) == []
    assert {name: about_weights(weights.named(name))["design"] for name in ("winner", "best_baseline", "plain")} == {
        "winner": "cc",
        "best_baseline": "aa",
        "plain": "bb",
    }


def test_without_a_folder_nothing_is_kept(tmp_path):
    assert KeptWeights(tmp_path / "none").settle({"winner": "aa"}) == ["winner"]
    assert not (tmp_path / "none").exists()


def test_what_is_no_file_of_ours_is_refused(tmp_path):
    save_file({"w": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(RunError, match="does not say whose weights it holds"):
        KeptWeights(tmp_path).designs()
    (tmp_path / "w.safetensors").write_bytes(b"cut off")
    with pytest.raises(RunError, match=r"w\.safetensors: cannot be read: .*remove it"):
        KeptWeights(tmp_path).designs()


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="file: cannot be made"):
        write_weights(tmp_path / "file" / "w.safetensors", network(0.0), {"design": "aa"})
