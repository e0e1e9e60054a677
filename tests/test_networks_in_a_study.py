"""Whole studies of networks that are not attnspace's own: what check says, what a search does, and that both agree."""

import json
import sqlite3
import subprocess
import sys

import pytest
import yaml

from attnspace import AttnspaceError, run_study
from attnspace.record.results import load
from attnspace.study.loading import prepare
from attnspace.workflow import check_ready

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"

READS_VALUES = (
    HEAD
    + """
class Net(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        rates = [r.item() for r in torch.linspace(0, 0.1, 2)]  # no numbers lie on the meta device
        self.conv, self.norm = nn.Conv2d(inputs, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.drop, self.fc = nn.Dropout(rates[1]), nn.Linear(16, classes)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.fc(self.drop(x.mean((2, 3)) if float(x.sum()) >= 0 else x.amax((2, 3))))

def make(in_channels, num_classes):
    return Net(in_channels, num_classes)
"""
)

OTHER_CLASSES = READS_VALUES.replace("Net(in_channels, num_classes)", "Net(in_channels, 1000)")

NAMED_OUTPUT = READS_VALUES.replace("return self.fc(", "return dict(aux=x, logits=self.fc(").replace(
    "x.amax((2, 3))))", "x.amax((2, 3)))))"
)

SURGERY = (
    HEAD
    + """
def train(model, report):
    model = nn.SyncBatchNorm.convert_sync_batchnorm(model).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        share = model(torch.randn(8, 1, 8, 8)).softmax(1)[:, 0].mean().item()
    return {"val_loss": 1 - share, "val_accuracy": share}
"""
)

DROPPING = (
    HEAD
    + """
def train(model, report):
    model.norm = nn.Identity()
    model(torch.randn(8, 1, 8, 8))
    return {"val_loss": 1.0, "val_accuracy": 0.5}
"""
)


def study(folder, network: str, loop: str | None = None, **sections) -> str:
    (folder / "nets.py").write_text(network)
    if loop is not None:
        (folder / "loop.py").write_text(loop)
        sections["train"] = {"import": "loop.py:train", "epochs": 1}
    squeeze = {"kind": "global", "stats": ["avg"]}
    gate = {"kind": "gate", "squeeze": squeeze, "excite": [{"kind": "fc", "reduction": {"$choice": [2, 4, 8]}}]}
    content = {
        "name": "networks",
        "data": {"kind": "digits", "train_images": 60},
        "backbone": {"import": "nets.py:make", "slots": {"residual": "norm"}},
        "space": {"block": gate},
        "train": {"epochs": 1, "batch_size": 16},
        "search": {"trials": 2, "threads": 1, "rungs": None},
    } | sections
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "study.yaml")


def test_a_network_that_reads_values_is_searched_and_costed(tmp_path):
    file = study(tmp_path, READS_VALUES, objective={"subject_to": {"params_overhead": 300}, "maximize": "val_accuracy"})
    assert check_ready(prepare(file)) == ()
    found = run_study(file, tmp_path / "run")
    rows = found.results.frame
    assert set(rows["outcome"]) == {"done"}
    assert (rows.loc[rows["name"] == "none", "params"] == 16 * 9 + 16 + 32 + 16 * 10 + 10).all()
    trials = rows[rows["role"] == "trial"]
    assert len(trials) == 2
    assert (trials["params"] > 362).all()


def test_the_output_that_counts_is_said(tmp_path):
    file = study(tmp_path, NAMED_OUTPUT)
    assert check_ready(prepare(file)) == (
        "what counts of the network's output is 'logits' of the dict that it returns",
    )
    assert set(run_study(file, tmp_path / "run").results.frame["outcome"]) == {"done"}


@pytest.mark.parametrize("call", [lambda file, run: check_ready(prepare(file)), run_study], ids=["check", "search"])
def test_a_network_of_other_classes_is_refused_before_anything_is_trained(tmp_path, call):
    file = study(tmp_path, OTHER_CLASSES)
    with pytest.raises(AttnspaceError) as raised:
        call(file, tmp_path / "run") if call is run_study else call(file, None)
    assert str(raised.value) == (
        f"{file}: backbone: the network does not give a number for each of 10 classes in training; got [2, 1000]; "
        "allowed: [2, 10] for 2 images; have its last layer made for num_classes"
    )
    assert not (tmp_path / "run" / "ledger.db").exists()


def test_a_loop_may_replace_modules_and_blocks_stay(tmp_path):
    """A whole study compared equal networks when the blocks were lost."""
    found = run_study(study(tmp_path, READS_VALUES, SURGERY), tmp_path / "run")
    rows = found.results.frame
    assert set(rows["outcome"]) == {"done"}
    assert rows["val_accuracy"].nunique() == len(rows)


def test_a_loop_that_drops_blocks_fails_loudly(tmp_path):
    run_study(study(tmp_path, READS_VALUES, DROPPING), tmp_path / "run")
    rows = load(tmp_path / "run").frame
    assert set(rows.loc[rows["name"] == "none", "outcome"]) == {"done"}
    others = rows[rows["name"] != "none"]
    assert set(others["outcome"]) == {"failed"}
    assert others["reason"].str.contains("the block at 'norm.attention' is not in the network any more").all()


def test_a_loop_that_never_runs_the_whole_network_is_checked_too(tmp_path):
    loop = DROPPING.replace("model(torch.randn(8, 1, 8, 8))", "model.conv(torch.randn(8, 1, 8, 8))")
    run_study(study(tmp_path, READS_VALUES, loop), tmp_path / "run")
    rows = load(tmp_path / "run").frame
    assert set(rows.loc[rows["name"] == "none", "outcome"]) == {"done"}
    assert rows.loc[rows["name"] != "none", "reason"].str.contains("is not in the network any more").all()


def test_check_prints_what_stands_where(tmp_path):
    file = study(tmp_path, READS_VALUES)
    found = subprocess.run(
        [sys.executable, "-m", "attnspace", "check", file], capture_output=True, text=True, check=True
    )
    lines = found.stdout.splitlines()
    assert "a backbone with 1 slots:" in found.stdout
    assert any(line.split() == ["position", "stage", "1"] for line in lines)
    assert any(line.split() == ["residual", "1", "of", "16x8x8"] for line in lines)


def test_a_run_whose_stages_have_other_numbers_today_is_refused(tmp_path):
    sections = {"backbone": {"kind": "resnet", "depth": 8, "width": 16}}
    file = study(tmp_path, READS_VALUES, **sections)
    content = yaml.safe_load((tmp_path / "study.yaml").read_text())
    content["space"]["placement"] = {"stages": [1, 2]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    run_study(file, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "ledger.db") as ledger:
        rows = ledger.execute("select number, spec from evaluations where role = 'trial'").fetchall()
        for number, spec in rows:
            changed = json.loads(spec) | {"placement": json.loads(spec)["placement"] | {"stages": [2, 3]}}
            ledger.execute("update evaluations set spec = ? where number = ?", (json.dumps(changed), number))
    content["search"]["trials"] = 3
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(
        AttnspaceError, match=r"on record is another network today: the slots of the backbone or the num"
    ):
        run_study(file, tmp_path / "run")
