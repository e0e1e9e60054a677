"""Shapes that are given without asking torch are those that torch gives."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attnspace.backbones import MobileNetV2, ResNet
from attnspace.costs import quick_shapes
from attnspace.costs.probe import copied
from attnspace.costs.quick_shapes import QuickShapes
from attnspace.language.compiler import build
from attnspace.language.specs import published

X = torch.empty(2, 8, 6, 5, device="meta")


def weight(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


OPERATIONS = {
    "relu": lambda x: F.relu(x),
    "sigmoid of a strip": lambda x: torch.sigmoid(x.mean(3, keepdim=True)),
    "tanh of what is transposed": lambda x: torch.tanh(x.transpose(1, 2)),
    "silu in channels_last": lambda x: F.silu(x.contiguous(memory_format=torch.channels_last)),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "sum": lambda x: x + x.clone(),
    "sum with a number": lambda x: x + 1,
    "sum laid out otherwise": lambda x: x + x.contiguous(memory_format=torch.channels_last),
    "product with a gate": lambda x: x * x.mean((2, 3), keepdim=True),
    "product that is broadcast": lambda x: x.mean((2, 3), keepdim=True) * x.mean(1, keepdim=True),
    "product of other types": lambda x: x * x.to(torch.float64),
    "product with fewer axes": lambda x: x * x[0, 0],
    "sum with what is broadcast the other way": lambda x: x.mean((2, 3), keepdim=True) + x,
    "difference from a multiple": lambda x: torch.add(x, x.clone(), alpha=-2),
    "product of strips": lambda x: x.mean(3, keepdim=True) * x.mean(2, keepdim=True),
    "whole numbers and a fraction": lambda x: torch.ones(2, 3, dtype=torch.int64, device="meta") * 0.5,
    "root of the variance": lambda x: x.var((2, 3), correction=0, keepdim=True).sqrt(),
    "mean in double": lambda x: x.mean((2, 3), dtype=torch.float64),
    "mean of an axis from the end": lambda x: x.mean(-1),
    "mean of all": lambda x: x.mean(),
    "mean in channels_last": lambda x: x.contiguous(memory_format=torch.channels_last).mean(1, keepdim=True),
    "sum over rows": lambda x: x.sum(2),
    "sum of whole numbers": lambda x: torch.ones(2, 3, dtype=torch.int32, device="meta").sum(1),
    "linear": lambda x: F.linear(x.mean((2, 3)), torch.empty(5, 8, device="meta"), torch.empty(5, device="meta")),
    "linear without a bias": lambda x: F.linear(x.mean((2, 3)), torch.empty(5, 8, device="meta")),
    "joined": lambda x: torch.cat([x.mean(3), x.mean(2)], dim=-1),
    "joined transposed": lambda x: torch.cat([x.transpose(2, 3), x.transpose(2, 3)]),
    "convolution": lambda x: F.conv2d(x, weight(6, 8, 3, 3), torch.empty(6, device="meta"), padding=1),
    "convolution with a stride": lambda x: F.conv2d(x, weight(6, 8, 3, 2), stride=(2, 1), dilation=(1, 2)),
    "convolution by groups": lambda x: F.conv2d(x, weight(8, 1, 5, 5), padding="same", groups=8),
    "convolution in channels_last": lambda x: F.conv2d(
        x.contiguous(memory_format=torch.channels_last), weight(6, 8, 1, 1)
    ),
    "convolution along an axis": lambda x: F.conv1d(x[:, :, 0], weight(3, 8, 3)),
    "convolution of a scalar": lambda x: F.conv2d(x.mean((2, 3), keepdim=True), weight(6, 8, 1, 1)),
    "transposed convolution": lambda x: F.conv_transpose2d(x, weight(8, 4, 2, 2), stride=2),
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hardtanh": F.hardtanh,
    "matrix product": lambda x: x[0, 0] @ torch.empty(5, 3, device="meta"),
    "joined, of one channel in channels_last": lambda x: torch.cat(
        [x[:, :1].contiguous(memory_format=torch.channels_last)] * 3, dim=1
    ),
    "norm of halves with weights": lambda x: torch.native_batch_norm(
        x.half(), weight(8), weight(8), None, None, True, 0.1, 1e-5
    )[1],
    "uniform": lambda x: x.clone().uniform_(-1, 1),
    "normal": lambda x: x.clone().normal_(0, 2),
    "filled": lambda x: x.clone().fill_(2.0),
    "zeros": lambda x: x.clone().zero_(),
    "counted": lambda x: torch.empty((), dtype=torch.int64, device="meta").add_(1),
    "expanded": lambda x: F.relu(x[:, :1].expand(2, 8, 6, 5)),
    "norm in training": lambda x: F.batch_norm(x, None, None, training=True),
}


REFUSED = {
    "convolution of other channels": lambda x: F.conv2d(x, weight(6, 7, 1, 1)),
    "convolution larger than the map": lambda x: F.conv2d(x, weight(6, 8, 9, 9)),
    "sum of other shapes": lambda x: x + x[:, :3],
    "mean of an axis that is not there": lambda x: x.mean(4),
    "mean of an axis twice": lambda x: x.mean((2, 2)),
    "linear of other features": lambda x: F.linear(x, torch.empty(5, 8, device="meta"), torch.empty(5, device="meta")),
    "linear with another bias": lambda x: F.linear(x[0, 0], weight(4, 5), torch.empty(3, device="meta")),
    "joined, of other shapes": lambda x: torch.cat([x, x[:, :, :2]], dim=1),
    "joined along an axis that is not there": lambda x: torch.cat([x, x], dim=4),
    "gelu of no known kind": lambda x: F.gelu(x, approximate="tan"),
    "linear with a bias elsewhere": lambda x: F.linear(x[0, 0], weight(3, 5), torch.zeros(3)),
    "nothing joined": lambda x: torch.cat([]),
    "normal of a negative deviation": lambda x: x.clone().normal_(0, -1),
    "normal whole numbers": lambda x: torch.ones(2, dtype=torch.int64, device="meta").normal_(),
    "one added to truth": lambda x: torch.ones((), dtype=torch.bool, device="meta").add_(1.5),
    "fraction added to whole numbers": lambda x: torch.ones(2, dtype=torch.int64, device="meta").add_(0.5),
}


def laid_out(x: torch.Tensor) -> tuple:
    """Shape, strides of axes longer than one (of others they mean nothing), type and memory."""
    strides = [stride for stride, length in zip(x.stride(), x.shape, strict=True) if length > 1]
    return x.shape, strides, x.dtype, x.device.type, x.untyped_storage().nbytes()


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_laid_out_as_torch_has_it(name):
    expected = OPERATIONS[name](X)
    with QuickShapes():
        found = OPERATIONS[name](X)
    assert laid_out(found) == laid_out(expected)
    assert found.untyped_storage()._cdata != X.untyped_storage()._cdata


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_is_refused(name):
    with pytest.raises((RuntimeError, IndexError, ValueError)) as expected:
        REFUSED[name](X)
    with QuickShapes(), pytest.raises(expected.type):
        REFUSED[name](X)


@pytest.mark.parametrize("operation", quick_shapes._QUICK, ids=str)
def test_each_operation_is_answered_in_one_of_the_cases(operation, monkeypatch):
    answers, answer = [], quick_shapes._QUICK[operation]

    def noted(*args, **kwargs):
        answers.append(answer(*args, **kwargs))
        return answers[-1]

    monkeypatch.setitem(quick_shapes._QUICK, operation, noted)
    with QuickShapes():
        for case in OPERATIONS.values():
            case(X)
    assert any(found is not None for found in answers)


def test_what_happens_in_place_returns_the_same_tensor():
    x, count = weight(2, 3), torch.zeros((), dtype=torch.int64, device="meta")
    with QuickShapes():
        assert x.uniform_(-1, 1) is x
        assert nn.init.kaiming_normal_(x) is x
        assert x.fill_(2.0) is x
        assert count.add_(1) is count
        values = torch.zeros(3).uniform_(1, 2) + torch.ones(3).fill_(3)
    assert ((values >= 4) & (values <= 5)).all()


def seen(model: nn.Module, x: torch.Tensor, *, quick: bool) -> list[tuple]:
    """How what each module returns is laid out, of a model on the meta device."""
    found: list[tuple] = []
    hooks = [
        module.register_forward_hook(lambda m, i, out: found.append(laid_out(out) if torch.is_tensor(out) else ()))
        for module in model.modules()
    ]
    with QuickShapes() if quick else nullcontext():
        model(x)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", published())
def test_every_published_block_has_the_shapes_that_torch_finds(name):
    with torch.device("meta"):
        model = build(name, 128)
    x = torch.empty(2, 128, 8, 6, device="meta")
    assert seen(model, x, quick=True) == seen(model, x, quick=False)


@pytest.mark.parametrize("model", [ResNet(depth=8, width=8), MobileNetV2(width=0.25)], ids=["resnet", "mobilenet"])
@pytest.mark.parametrize("training", [True, False])
def test_a_network_has_the_shapes_that_torch_finds(model, training):
    x = torch.empty(2, 3, 32, 32, device="meta")
    model = copied(model, on_meta=True).train(training)
    assert seen(model, x, quick=True) == seen(model, x, quick=False)
