import importlib.util
import os

import onnx
import onnxruntime
import pytest
import torch

from attnspace import build, published
from attnspace.errors import ExportError, RunFailed
from attnspace.export import export_onnx
from tests.export.blocks import channels_of


@pytest.mark.parametrize("name", published())
def test_an_onnx_file_is_the_block_at_other_shapes(name, tmp_path, capfd):
    channels = channels_of(name)
    torch.manual_seed(0)
    module = build(name, channels)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.5, 0.5)
    path = export_onnx(name, channels, tmp_path / "block.onnx", state_dict=module.state_dict())
    assert [file.name for file in tmp_path.iterdir()] == ["block.onnx"]
    assert capfd.readouterr() == ("", "")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("x", ["batch", channels, "height", "width"])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("y", ["batch", channels, "height", "width"])]
    for shape in ((3, channels, 9, 7), (1, channels, 16, 12), (5, channels, 21, 30)):
        x = torch.randn(shape)
        (y,) = session.run(["y"], {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), module.eval()(x), rtol=1e-4, atol=1e-5)


def test_an_onnx_file_of_a_chosen_opset(tmp_path):
    path = export_onnx("se", 16, tmp_path / "block.onnx", opset=20)
    assert [used.version for used in onnx.load(path).opset_import if used.domain == ""] == [20]


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ExportError, match="the weights do not fit the block"):
        export_onnx("se", 64, tmp_path / "block.onnx", state_dict=build("se", 32).state_dict())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_onnx_the_remedy_is_named(missing, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(ExportError, match=rf"needs {missing}; run: pip install -c constraints.txt 'attnspace\[onnx\]'"):
        export_onnx("se", 16, tmp_path / "block.onnx")


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path):
    taken = tmp_path / "block.onnx"
    taken.mkdir()
    with pytest.raises(RunFailed, match=r"block\.onnx: cannot be written: Is a directory"):
        export_onnx("se", 16, taken)
    with pytest.raises(RunFailed, match=r"cannot be written: No such file or directory"):
        export_onnx("se", 16, tmp_path / "nowhere" / "block.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["block.onnx"]
    assert not list(taken.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "block.onnx"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match="No space left on device"):
        export_onnx("se", 16, path)
    assert [file.name for file in tmp_path.iterdir()] == ["block.onnx"]
    assert path.read_bytes() == b"old"
