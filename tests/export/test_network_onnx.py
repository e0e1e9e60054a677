"""Whole networks as ONNX files."""

import onnxruntime
import pytest
import torch
from torch import nn

from attnspace.errors import ExportError
from attnspace.export import onnx as exporter
from attnspace.export.network_onnx import export_network


class Both(nn.Module):
    """Returns a mapping, as some libraries' networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, x_nchw):
        y = self.body(x_nchw)
        return {"aux": y, "logits": y.mean((2, 3))}


def test_a_network_that_takes_any_size_is_exported_so_and_its_main_output_counts(tmp_path):
    network = Both().train()
    free = export_network(network, (2, 8, 8), tmp_path / "n.onnx", {"design": "abc"})
    assert list(free) == ["batch", "height", "width"]
    assert network.training
    session = onnxruntime.InferenceSession(str(tmp_path / "n.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["design"] == "abc"
    x = torch.randn(5, 2, 9, 14)
    (y,) = session.run(["y"], {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(y), network(x)["logits"], rtol=1e-4, atol=1e-5)


def test_a_network_of_one_size_leaves_the_batch_free_alone(tmp_path):
    network = nn.Sequential(nn.Flatten(), nn.Linear(2 * 6 * 7, 3))
    assert list(export_network(network, (2, 6, 7), tmp_path / "n.onnx", {})) == ["batch"]
    session = onnxruntime.InferenceSession(str(tmp_path / "n.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", 2, 6, 7]


def test_what_onnxruntime_computes_otherwise_is_not_handed_over(tmp_path, monkeypatch):
    honest = exporter.onnx_content
    another = nn.Conv2d(2, 3, 3, padding=1)

    def other(module, *args, **kwargs):
        return honest(another, *args, **kwargs)

    monkeypatch.setattr("attnspace.export.network_onnx.onnx_content", other)
    with pytest.raises(ExportError, match="the ONNX file is another function"):
        export_network(nn.Conv2d(2, 3, 3, padding=1), (2, 8, 8), tmp_path / "n.onnx", {})
    assert not list(tmp_path.iterdir())
