"""What a run hands over, as files."""

import json
import subprocess
import sys

import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, load_model

from attnspace import confirm_run, insert_design, run_study
from attnspace.analysis.winner import write_winner
from attnspace.backbones import ResNet
from attnspace.errors import ExportError, RunError
from attnspace.export.run import export_run
from attnspace.record.results import load, write_table
from attnspace.record.weights import about_weights
from tests.export.blocks import REFUSE_ATTNSPACE
from tests.made_run import made_run


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory):
    """A confirmed run, which no test changes."""
    import yaml

    from tests.searching import TINY

    folder = tmp_path_factory.mktemp("confirmed")
    study = yaml.safe_load(yaml.safe_dump(TINY)) | {"confirm": {"top": 1, "seeds": 2}}
    study["search"]["trials"] = 2
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    run = run_study(folder / "study.yaml", folder / "run").path
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("attnspace.confirm.confirm.FEWEST", 2)  # controls are trained, though two seeds claim nothing
        confirm_run(run)
    return run


def trained(run) -> torch.nn.Module:
    network = insert_design(ResNet(8, 16, in_channels=1), run / "winner.json")
    load_model(network, run / "weights/winner.safetensors")
    return network.eval()


def test_json_is_the_design_that_winner_json_holds(confirmed):
    found = export_run(confirmed, "json")
    assert json.loads(found.text) == json.loads((confirmed / "winner.json").read_text())


def test_safetensors_are_the_kept_weights(confirmed, tmp_path):
    found = export_run(confirmed, "safetensors", tmp_path / "w.safetensors")
    assert "seed 1000000 after 1 epochs, test_accuracy" in found.notes[0]
    kept, copied = (load_file(path) for path in (confirmed / "weights/winner.safetensors", found.path))
    assert all(torch.equal(value, copied[key]) for key, value in kept.items())


def test_onnx_is_the_trained_network_at_any_size(confirmed, tmp_path):
    found = export_run(confirmed, "onnx", tmp_path / "network.onnx")
    assert found.notes[0] == "batch and height and width may have any size"
    session = onnxruntime.InferenceSession(str(found.path), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about["design"] == load(confirmed).winner()["design"]
    for shape in ((1, 1, 8, 8), (5, 1, 16, 12), (2, 1, 11, 9)):
        x = torch.randn(shape)
        (y,) = session.run(["y"], {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), trained(confirmed)(x), rtol=1e-4, atol=1e-5)


RUNS_WITHOUT_ATTNSPACE = (
    REFUSE_ATTNSPACE
    + """
import torch
from torch import nn

namespace = {}
exec(open(sys.argv[1], encoding="utf-8").read(), namespace)

class Stage(nn.Module):
    def __init__(self):
        super().__init__()
        self.residual = nn.Identity()

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        for name in namespace["BLOCKS"]:
            stage, block, _ = name.split(".")
            if not hasattr(self, stage):
                setattr(self, stage, nn.Module())
            setattr(getattr(self, stage), block, Stage())

model = namespace["insert"](Network())
print(*model.state_dict())
"""
)


def test_python_inserts_the_blocks_without_attnspace(confirmed, tmp_path):
    found = export_run(confirmed, "py")
    (tmp_path / "winner.py").write_text(found.text)
    (tmp_path / "try.py").write_text(RUNS_WITHOUT_ATTNSPACE)
    done = subprocess.run(
        [sys.executable, tmp_path / "try.py", tmp_path / "winner.py"], capture_output=True, text=True, check=True
    )
    printed = set(done.stdout.split())
    assert printed - {"weight"} == {key for key in trained(confirmed).state_dict() if ".residual." in key}


def test_python_gives_a_network_the_names_of_the_kept_weights(confirmed):
    namespace: dict = {"__name__": "winner"}
    exec(export_run(confirmed, "py").text, namespace)
    network = namespace["insert"](ResNet(8, 16, in_channels=1)).eval()
    load_model(network, confirmed / "weights/winner.safetensors")
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(network(x), trained(confirmed)(x))
    with pytest.raises(AttributeError, match="the model has no place"):
        namespace["insert"](_network_without_places())


def _network_without_places() -> torch.nn.Module:
    network = ResNet(8, 16, in_channels=1)
    for stage in (network.stage1, network.stage2, network.stage3):
        for block in stage:
            del block.residual
    return network


@pytest.mark.parametrize(
    ("model", "slots"),
    [
        ("resnet18", {"residual": "layer*.*.bn2"}),
        ("resnet18", {"residual": {"before": "layer*.*.conv2"}}),
    ],
)
def test_python_inserts_into_a_librarys_own_network(tiny, write, tmp_path, model, slots):
    timm = pytest.importorskip("timm")
    tiny["backbone"] = {"kind": "timm", "model": model, "slots": slots}
    tiny["data"]["train_images"] = 60
    tiny["search"]["trials"] = 1
    tiny["baselines"] = {"placement": {"stages": [1]}}
    run = run_study(write(tiny), tmp_path / "run").path
    namespace: dict = {"__name__": "winner"}
    exec(export_run(run, "py").text, namespace)
    network = namespace["insert"](timm.create_model(model, in_chans=1, num_classes=10, zero_init_last=False))
    place = "attention" if isinstance(slots["residual"], str) else "attention_before"
    assert all(name.endswith(f".{place}") for name in namespace["BLOCKS"])
    before = network.eval()(torch.ones(1, 1, 32, 32))
    for name in namespace["BLOCKS"]:
        for parameter in network.get_submodule(name).parameters():
            torch.nn.init.constant_(parameter, 3.0)
    assert not torch.equal(before, network(torch.ones(1, 1, 32, 32)))


def test_a_run_without_weights_exports_an_untrained_network_and_says_so(tiny, write, tmp_path):
    tiny["search"]["trials"] = 1
    run = run_study(write(tiny), tmp_path / "run").path
    found = export_run(run, "onnx", tmp_path / "network.onnx")
    assert "THE WEIGHTS ARE UNTRAINED" in found.notes[1]
    with pytest.raises(RunError, match=r"keeps no weights of the design .*attnspace confirm"):
        export_run(run, "safetensors")


def test_a_run_without_a_winner_is_refused(tmp_path):
    with pytest.raises(RunError, match="has no winner yet: no trial was trained to the end; search first"):
        export_run(made_run(tmp_path / "run", trials=0), "json")


def test_a_kept_table_is_enough_for_the_design_alone(tmp_path):
    run = made_run(tmp_path / "run", trials=3)
    write_table(load(run))
    write_winner(load(run))
    (run / "ledger.db").unlink()
    assert "block" in json.loads(export_run(run, "json").text)
    with pytest.raises(RunError, match=r"has no ledger\.db, which the export of a network needs"):
        export_run(run, "py")


def test_a_network_that_takes_no_images_is_written_as_python_alone(tiny, write, tmp_path):
    write(
        "import torch\n"
        "from attnspace.backbones import ResNet\n"
        "def make(in_channels, num_classes):\n"
        "    model = ResNet(8, 16, in_channels, num_classes)\n"
        "    model.example_inputs = torch.zeros(1, in_channels, 8, 8)\n"
        "    return model\n",
        "nets.py",
    )
    tiny["backbone"] = {"import": "nets.py:make"}
    tiny["search"]["trials"] = 1
    run = run_study(write(tiny), tmp_path / "run").path
    assert "def insert(model)" in export_run(run, "py").text
    with pytest.raises(ExportError, match="backbone: takes other inputs than images"):
        export_run(run, "onnx", tmp_path / "network.onnx")


def test_constant_gates_are_folded_into_the_plain_network(confirmed, tmp_path):
    found = export_run(confirmed, "safetensors", tmp_path / "folded.safetensors", fold=True)
    assert found.notes[0].endswith(".bn2 now")
    assert "the weights are those of the plain network, by their names and shapes" in found.notes
    plain, control = ResNet(8, 16, in_channels=1).eval(), ResNet(8, 16, in_channels=1)
    load_model(plain, found.path)
    document = json.loads(about_weights(confirmed / "weights/constant.safetensors")["document"])
    (tmp_path / "constant.json").write_text(json.dumps(document))
    insert_design(control, tmp_path / "constant.json")
    load_model(control, confirmed / "weights/constant.safetensors")
    x = torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(plain(x), control.eval()(x), rtol=1e-5, atol=1e-5)


def test_folding_is_refused_where_it_means_nothing(confirmed, tiny, write, tmp_path):
    with pytest.raises(ExportError, match=r"has no block to write; .*allowed: onnx, safetensors"):
        export_run(confirmed, "py", fold=True)
    tiny["search"]["trials"] = 1
    run = run_study(write(tiny), tmp_path / "run").path
    with pytest.raises(RunError, match=r"has no control with constant gates .*attnspace confirm .*/run` trains"):
        export_run(run, "onnx", fold=True)
