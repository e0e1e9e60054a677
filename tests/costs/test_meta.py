"""Shapes that are given without asking torch are those that torch gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attnspace.backbones import MobileNetV2, ResNet
from attnspace.costs.meta import MetaRun, QuickShapes
from attnspace.language.compiler import build
from attnspace.language.specs import published

X = torch.empty(2, 8, 6, 5, device="meta")
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
    "expanded": lambda x: F.relu(x[:, :1].expand(2, 8, 6, 5)),
    "norm in training": lambda x: F.batch_norm(x, None, None, training=True),
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


def seen(model: nn.Module, x: torch.Tensor, *, quick: bool) -> list[tuple]:
    """How what each module returns is laid out."""
    found: list[tuple] = []
    hooks = [
        module.register_forward_hook(lambda m, i, out: found.append(laid_out(out) if torch.is_tensor(out) else ()))
        for module in model.modules()
    ]
    if quick:
        with QuickShapes():
            MetaRun(model)(x)
    else:
        MetaRun(model)(x)
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
    assert seen(model.train(training), x, quick=True) == seen(model.train(training), x, quick=False)


def test_a_network_that_is_not_on_the_meta_device_keeps_its_tensors():
    model = ResNet(depth=8, width=4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    MetaRun(model.train())(torch.empty(2, 3, 16, 16, device="meta"))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
