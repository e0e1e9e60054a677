"""The weights that a confirmation keeps are those that were tested."""

import json

import pytest
import torch
from safetensors.torch import load_model

from attnspace import confirm_run, insert_design, run_study
from attnspace.analysis.handed_over import kept_designs
from attnspace.backbones import ResNet
from attnspace.confirm.confirm import FRESH
from attnspace.record.results import load
from attnspace.record.weights import about_weights
from attnspace.search.progress import Watcher
from attnspace.study.loading import prepare_run


class Notes(Watcher):
    def __init__(self) -> None:
        super().__init__()
        self.warned: list[str] = []

    def warn(self, what: str) -> None:
        self.warned.append(what)


@pytest.fixture
def confirmed(tiny, write, tmp_path):
    """Confirms a search that was done with these settings of the training, and gives the run's directory."""

    def made(**train):
        tiny["train"] |= {"epochs": 2, "lr": 0.05} | train
        tiny["confirm"] = {"top": 1, "seeds": 2}
        run = run_study(write(tiny), tmp_path / "run").path
        confirm_run(run)
        return run

    return made


@torch.no_grad()
def accuracy(network: torch.nn.Module, run, about: dict[str, str]) -> float:
    """The accuracy on the test images, by hand; they are normalised as the file of weights says."""
    split = prepare_run(run).data.sealed_test()
    mean, std = (torch.tensor(json.loads(about[name])).view(-1, 1, 1) for name in ("mean", "std"))
    x_nchw = (split.images.float() - mean) / std
    return float((network.eval()(x_nchw).argmax(1) == split.labels).float().mean())


@pytest.mark.parametrize("train", [{}, {"ema": 0.5}], ids=["last", "averaged"])
def test_the_winner_with_its_weights_reaches_the_recorded_accuracy(confirmed, train):
    run = confirmed(**train)
    files = sorted(file.name for file in (run / "weights").iterdir())
    assert files == [f"{name}.safetensors" for name in ("best_baseline", "plain", "winner")]
    network = ResNet(8, 16, in_channels=1)
    insert_design(network, run / "winner.json", (1, 8, 8))
    load_model(network, run / "weights/winner.safetensors")
    rows = load(run).confirmed().set_index(["design", "seed"])
    about = about_weights(run / "weights/winner.safetensors")
    recorded = rows.loc[(about["design"], int(about["seed"])), "test_accuracy"]
    assert accuracy(network, run, about) == pytest.approx(recorded, abs=1e-6)
    assert float(about["test_accuracy"]) == recorded
    plain = ResNet(8, 16, in_channels=1)
    load_model(plain, run / "weights/plain.safetensors")
    about = about_weights(run / "weights/plain.safetensors")
    assert accuracy(plain, run, about) == pytest.approx(
        rows.loc[(kept_designs(load(run))["plain"], FRESH), "test_accuracy"]
    )


def test_a_file_of_weights_says_whose_they_are(confirmed):
    run = confirmed()
    wanted, winner = kept_designs(load(run)), load(run).winner()
    for name, design in wanted.items():
        about = about_weights(run / "weights" / f"{name}.safetensors")
        assert (about["design"], about["seed"], about["epochs"], about["study"]) == (design, str(FRESH), "2", "tiny")
    assert json.loads(about_weights(run / "weights/winner.safetensors")["document"]) == winner["spec"]


def test_weights_of_a_confirmation_that_was_cut_off_are_kept_when_it_goes_on(tiny, write, tmp_path):
    class Stop(Notes):
        left = 4

        def design_ends(self, row) -> None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    tiny["confirm"] = {"top": 1, "seeds": 2}
    run = run_study(write(tiny), tmp_path / "run").path
    with pytest.raises(KeyboardInterrupt):
        confirm_run(run, Stop())
    assert len(list((run / "weights").iterdir())) == 4
    notes = Notes()
    confirm_run(run, notes)
    assert notes.warned == []
    seeds = {about_weights(file)["seed"] for file in (run / "weights").iterdir()}
    assert seeds == {str(FRESH)}


def test_what_has_no_weights_is_told(tiny, write, tmp_path, monkeypatch):
    from attnspace.training.sgd import SgdRun

    monkeypatch.setattr(SgdRun, "network", lambda run: None)
    tiny["confirm"] = {"top": 1, "seeds": 2}
    run = run_study(write(tiny), tmp_path / "run").path
    notes = Notes()
    confirm_run(run, notes)
    assert not (run / "weights").exists()
    assert any("winner" in note and "hands out no network" in note for note in notes.warned)


def test_a_loop_of_the_users_has_its_network_kept(tiny, write, tmp_path):
    write(
        "def train(model, report):\n"
        "    for epoch in range(report.epochs):\n"
        "        report(val_loss=0.4, val_accuracy=0.9)\n"
        "    model.fc.bias.data.fill_(7.0)\n"
        '    return {"val_loss": 0.4, "val_accuracy": 0.9, "test_accuracy": 0.8}\n',
        "loop.py",
    )
    tiny["train"] = {"import": "loop.py:train", "epochs": 1}
    tiny["confirm"] = {"top": 1, "seeds": 2}
    run = run_study(write(tiny), tmp_path / "run").path
    confirm_run(run)
    network = insert_design(ResNet(8, 16, in_channels=1), run / "winner.json", (1, 8, 8))
    load_model(network, run / "weights/winner.safetensors")
    assert network.fc.bias.eq(7.0).all()
