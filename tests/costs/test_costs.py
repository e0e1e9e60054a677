import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from attnspace import SpecError, build, cost, insert, published
from attnspace.backbones import ResNet

SIZES = [(64, 8, 8), (32, 5, 9), (320, 7, 7)]
FLOAT, INDEX = 4, 8


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_se_costs_what_its_formula_says(shape):
    c, h, w = shape
    hidden = c // 16
    found = cost("se", shape)
    assert found.params == 2 * c * hidden
    assert found.flops == 2 * found.macs == 4 * c * hidden
    assert found.activation_bytes == FLOAT * (c * h * w + c + hidden + c)  # x, pooled, hidden, gate


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_eca_costs_what_its_formula_says(shape):
    c, h, w = shape
    found = cost("eca", shape)
    assert (found.params, found.flops) == (3 + 1, 2 * 3 * c)
    assert found.activation_bytes == FLOAT * (c * h * w + c + c)  # x, pooled, gate


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_cbam_costs_what_its_formula_says(shape):
    c, h, w = shape
    hidden, positions = c // 16, h * w
    found = cost("cbam", shape)
    assert found.params == 2 * c * hidden + 2 * 49 + 1
    assert found.flops == 2 * 4 * c * hidden + 2 * 2 * 49 * positions
    channel = c * positions + 2 * c + 2 * hidden + c  # x, two pooled, two hidden, gate
    spatial = c * positions + 2 * positions + positions  # the gated map, two pooled, gate
    assert found.activation_bytes == FLOAT * (channel + spatial) + INDEX * (c + positions)  # where the maxima are


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_coordinate_attention_costs_what_its_formula_says(shape):
    c, h, w = shape
    hidden, strips = c // 16, h + w
    found = cost("ca", shape)
    assert found.params == c * hidden + 2 * hidden + 2 * hidden * c
    assert found.flops == 2 * (c * hidden * strips + hidden * c * strips)
    kept = (
        c * h * w + c * strips + 2 * hidden * strips + c * strips + c * h * w
    )  # x, pooled, BN and ReLU, gates, product
    assert found.activation_bytes == FLOAT * (kept + hidden)  # mean and deviation of BN, shared by a batch of two


@pytest.mark.parametrize("name", published())
def test_flops_are_those_of_torchs_counter(name):
    with FlopCounterMode(display=False) as counter:
        build(name, 128).eval()(torch.randn(1, 128, 9, 7))
    assert cost(name, (128, 9, 7)).flops == counter.get_total_flops()


def test_a_network_costs_what_torchs_counter_says_and_is_left_as_it_was():
    model = insert(ResNet(depth=8, width=16), {"stage2.block1.residual": "cbam"})
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = cost(model, (3, 32, 32))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.randn(1, 3, 32, 32))
    assert found.flops == counter.get_total_flops()
    assert found.params == sum(p.numel() for p in model.parameters())


def test_what_backward_needs_is_measured_as_training_keeps_it():
    """A linear layer keeps its input; two ReLUs keep their outputs, once each."""
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU())
    assert cost(model, (3, 4, 4)).activation_bytes == FLOAT * 16 * (3 + 8 + 8)


def test_a_block_adds_its_own_cost_to_a_network():
    plain, with_se = ResNet(depth=8, width=16), insert(ResNet(depth=8, width=16), {"stage1.block1.residual": "se"})
    alone, grown = cost("se", (16, 32, 32)), cost(with_se, (3, 32, 32))
    assert grown.params - cost(plain, (3, 32, 32)).params == alone.params
    assert grown.flops - cost(plain, (3, 32, 32)).flops == alone.flops
    assert grown.activation_bytes - cost(plain, (3, 32, 32)).activation_bytes == alone.activation_bytes


@pytest.mark.parametrize("shape", [(3, 32), (3, 32, 0), "3x32x32", (3, 32, 1.5)])
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(SpecError, match=r"the input shape is not \(C, H, W\)"):
        cost("se", shape)
