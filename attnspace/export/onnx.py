"""A spec at C channels -> an ONNX file, run by onnxruntime and compared with the module."""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from torch import Tensor, nn

from attnspace.documents.writing import write_bytes
from attnspace.errors import ExportError
from attnspace.export.verification import OTHER_SHAPES, standard_torch
from attnspace.language.compiler import build
from attnspace.language.specs import SpecLike

__all__ = ["export_onnx", "onnx_content", "require_onnx", "verify_onnx"]


def export_onnx(
    spec: SpecLike,
    channels: int,
    path: str | Path,
    *,
    opset: int | None = None,
    state_dict: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write an ONNX file of the block in evaluation: input `x` and output `y`, of any batch, height and width.

    What is written was compared with the module at two other shapes, if onnxruntime is installed; without it the
    file is written unchecked. Not for use beside other threads that run torch, print or log: the exporter is kept
    quiet for the whole process.

    Args:
        spec: the block.
        channels: the number of channels of the maps that it is for.
        path: where the file is written, whole or not at all.
        opset: the version of ONNX's operators; otherwise the exporter's choice.
        state_dict: the weights; otherwise initial ones.

    Raises:
        SpecError: the spec is not valid, or not possible at this channel count.
        ExportError: onnx or onnxscript is not installed, the weights do not fit, or it cannot be exported.
        RunFailed: the file cannot be written.
    """
    require_onnx()
    with standard_torch():
        module = build(spec, channels).eval()
        if state_dict is not None:
            try:
                module.load_state_dict(dict(state_dict))
            except RuntimeError as cause:
                raise ExportError(f"the weights do not fit the block: {cause}") from None
        content = onnx_content(module, torch.randn(2, channels, 16, 18), {0: "batch", 2: "height", 3: "width"}, opset)
        verify_onnx(content, module, [torch.randn(n, channels, h, w) for n, h, w in OTHER_SHAPES])
    write_bytes(Path(path), content)
    return Path(path)


def require_onnx() -> None:
    """Refuse to go on without what writes ONNX.

    Raises:
        ExportError: onnx or onnxscript is not installed.
    """
    for needed in ("onnx", "onnxscript"):
        if importlib.util.find_spec(needed) is None:
            raise ExportError(
                f"ONNX export needs {needed}", remedy="run: pip install -c constraints.txt 'attnspace[onnx]'"
            )


def onnx_content(
    module: nn.Module,
    example: Tensor,
    free: Mapping[int, str],
    opset: int | None = None,
    about: Mapping[str, str] | None = None,
) -> bytes:
    """The content of an ONNX file of a module, with input `x` and output `y`.

    Args:
        module: of one input and one output.
        example: an input.
        free: axis of the input -> its name, of those that may have any size.
        opset: the version of ONNX's operators; otherwise the exporter's choice.
        about: what the file says of itself.

    Raises:
        ExportError: the module cannot be exported so.
    """
    dim = torch.export.Dim
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=["x"],
                output_names=["y"],
                dynamic_shapes=({axis: dim(name) for axis, name in free.items()},),
                opset_version=opset,
                verbose=False,
            )
            assert program is not None
            model = program.model_proto
    except Exception as cause:
        raise ExportError(f"cannot be exported to ONNX: {str(cause).strip().splitlines()[0]}") from cause
    if opset not in (None, *(used.version for used in model.opset_import if used.domain == "")):
        raise ExportError("cannot be exported to this ONNX opset", got=opset, remedy="leave it out")
    for key, value in (about or {}).items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what exporters print, log and warn of."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def verify_onnx(content: bytes, module: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Run an ONNX file by onnxruntime, if that is installed, and compare it with the module.

    Raises:
        ExportError: it is another function.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for x_nchw in inputs:
        with torch.no_grad():
            expected = module(x_nchw)
        try:
            got = torch.from_numpy(session.run(["y"], {"x": x_nchw.numpy()})[0])
        except Exception as cause:  # onnxruntime has a class of its own for each of its faults
            said = str(cause).strip().splitlines()[0]
            raise ExportError(f"the ONNX file does not run at {tuple(x_nchw.shape)}: {said}") from cause
        if not torch.allclose(got, expected, rtol=1e-4, atol=1e-5):
            raise ExportError(f"the ONNX file is another function at {tuple(x_nchw.shape)}")
