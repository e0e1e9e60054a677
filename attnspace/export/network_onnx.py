"""A whole network -> an ONNX file, run by onnxruntime and compared with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from attnspace.documents.writing import write_bytes
from attnspace.errors import ExportError
from attnspace.export.onnx import onnx_content, require_onnx, verify_onnx
from attnspace.export.verification import standard_torch
from attnspace.training.outputs import main_output

__all__ = ["export_network"]

FREE: tuple[dict[int, str], ...] = ({0: "batch", 2: "height", 3: "width"}, {0: "batch"})
"""Which axes of the input may have any size: all that a network may leave free, then what every network does."""


class _Main(nn.Module):
    """A network that returns the one output that counts."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_nchw: Tensor) -> Tensor:
        return main_output(self.network(x_nchw))


def export_network(
    network: nn.Module, shape: tuple[int, int, int], path: Path, about: Mapping[str, str]
) -> Sequence[str]:
    """Write an ONNX file of a network in evaluation: images `x` to its main output `y`.

    What is written was compared with the network in onnxruntime at several sizes, if that is installed. Not for use
    beside other threads, as `export_onnx`.

    Args:
        network: on the CPU; stays as it is.
        shape: (C, H, W) of its images.
        path: where the file is written, whole or not at all.
        about: what the file says of itself, in its metadata.

    Returns:
        the names of the axes that may have any size: batch, and height and width where the network allows that.

    Raises:
        ExportError: onnx or onnxscript is not installed, or the network cannot be exported.
        RunFailed: the file cannot be written.
    """
    require_onnx()
    training = network.training
    with standard_torch(), torch.no_grad():
        module = _Main(network).eval()
        try:
            content, free = _freest(module, shape, about)
        finally:
            network.train(training)
    write_bytes(path, content)
    return list(free.values())


def _freest(
    module: nn.Module, shape: tuple[int, int, int], about: Mapping[str, str]
) -> tuple[bytes, Mapping[int, str]]:
    """The file in which most axes are free, and these.

    Raises:
        ExportError: there is none.
    """
    channels, height, width = shape
    fault = None
    for free in FREE:
        is_fixed = len(free) == 1
        size = (height, width) if is_fixed else (2 * height, 3 * width)
        others = [size] if is_fixed else [(height, width), (2 * height, 2 * width), (height + 5, width + 3)]
        inputs = [torch.randn(n, channels, *size) for n, size in enumerate((*others, others[0]), start=1)]
        try:
            content = onnx_content(module, torch.randn(2, channels, *size), free, about=about)
            verify_onnx(content, module, [x for x in inputs if is_fixed or _runs(module, x)])
        except ExportError as error:
            fault = error
        else:
            return content, free
    assert fault is not None
    raise fault


def _runs(module: nn.Module, x_nchw: Tensor) -> bool:
    """Whether the network itself takes images of this size."""
    try:
        module(x_nchw)
    except Exception:  # whatever a network of the user's raises
        return False
    return True
