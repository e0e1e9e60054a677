"""Constant gates folded into their neighbours."""

import copy

import pytest
import torch
from torch import nn

from attnspace import add_sites, fold_constants, insert, plan, slots
from attnspace.backbones import ResNet
from attnspace.modules.layers import AffineModule
from attnspace.placement.placement import Placement

SCALE = {"kind": "layers", "layers": [{"kind": "affine", "scale": 0.5, "shift": None}]}
BOTH = {"kind": "layers", "layers": [{"kind": "affine", "scale": 0.5, "shift": 0.0}]}
NESTED = {"kind": "residual", "block": {"kind": "parallel", "blocks": [SCALE, BOTH]}}


def network(spec, position: str, depth: int = 8, **options) -> nn.Module:
    """A network in float64 with a block at a position, whose weights and statistics are all drawn."""
    torch.manual_seed(0)
    model = ResNet(depth, 4, in_channels=2, **options)
    model.input_shape = (2, 8, 8)
    insert(model, plan(slots(model), Placement(position=position), spec))
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.add_(0.3 * torch.rand_like(value))
    return model.double().eval()


def check(model: nn.Module, x=None):
    """Folds a copy, compares it with the model at other images, and gives what was done."""
    x = torch.randn(5, 2, 11, 9, dtype=torch.float64) if x is None else x
    found = fold_constants(copy.deepcopy(model))
    torch.testing.assert_close(found.model(x), model(x), rtol=1e-12, atol=1e-12)
    return found


@pytest.mark.parametrize("block", [SCALE, BOTH, NESTED], ids=["scale", "both", "nested"])
@pytest.mark.parametrize(("kind", "depth", "into"), [("basic", 8, "bn2"), ("bottleneck", 11, "bn3")])
def test_after_a_norm_a_scale_and_a_shift_fold(block, kind, depth, into):
    found = check(network(block, "residual", depth=depth, block=kind))
    assert found.left == {}
    assert set(found.folded.values()) == {f"stage{n}.block1.{into}" for n in (1, 2, 3)}
    assert found.model.state_dict().keys() == ResNet(depth, 4, in_channels=2, block=kind).state_dict().keys()


def test_before_a_padded_convolution_a_scale_folds_and_a_shift_does_not():
    found = check(network(SCALE, "conv2"))
    assert set(found.folded.values()) == {f"stage{n}.block1.conv2" for n in (1, 2, 3)}
    found = check(network(BOTH, "conv2"))
    assert found.folded == {}
    assert all("pads its input with zeros, which a shift does not fold into" in why for why in found.left.values())


def test_after_an_addition_and_before_two_paths_nothing_folds():
    for position in ("post_add", "pre"):
        found = check(network(SCALE, position))
        assert found.folded == {}
        assert len(found.left) == 3
        assert found.model.state_dict().keys() == network(SCALE, position).state_dict().keys()


def test_gates_that_look_at_the_image_stay():
    model = network(
        {"kind": "gate", "squeeze": {"kind": "global", "stats": ["avg"]}, "excite": [{"kind": "fc", "reduction": 2}]},
        "residual",
    )
    found = check(model)
    assert (found.folded, found.left) == ({}, {})


class Net(nn.Module):
    """Convolutions of every kind, with a place after the first and before the second."""

    def __init__(self, **second) -> None:
        super().__init__()
        self.input_shape = (2, 8, 8)
        self.first = nn.Conv2d(2, 4, 1, bias=False)
        self.place = nn.Identity()
        self.second = nn.Conv2d(4, 4, 3, **second)
        self.act = False

    def forward(self, x_nchw):
        x_nchw = self.first(x_nchw)
        x_nchw = self.place(torch.tanh(x_nchw) if self.act else x_nchw)
        return self.second(x_nchw)


def with_affine(model: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    model.place = AffineModule(4, 1.0, 0.0)
    nn.init.normal_(model.place.weight)
    nn.init.normal_(model.place.bias)
    return model.double().eval()


def test_a_convolution_without_bias_gets_one_for_a_shift():
    found = check(with_affine(Net(padding=1)))
    assert found.folded == {"place": "first"}
    assert found.biases == ("first.bias",)


@pytest.mark.parametrize(
    "second", [{}, {"groups": 2}, {"padding": 1, "padding_mode": "reflect"}, {"bias": False, "padding": "valid"}]
)
def test_a_convolution_after_it_takes_both_where_it_pads_with_no_zeros(second):
    model = with_affine(Net(**second))
    model.act = True
    found = check(model)
    assert found.folded == {"place": "second"}


def test_a_norm_that_others_see_too_stays_as_it_is():
    class Two(Net):
        def forward(self, x_nchw):
            x_nchw = self.first(x_nchw)
            return self.second(torch.tanh(self.place(x_nchw))) + x_nchw.mean()

    found = check(with_affine(Two(padding=1)))
    assert "sees another map" in found.left["place"]


def test_places_that_were_opened_in_a_network_fold_alike():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    model = nn.Sequential(model, nn.Conv2d(4, 4, 1), nn.AdaptiveAvgPool2d(1))
    model.input_shape = (2, 8, 8)
    keys = model.state_dict().keys()
    add_sites(model, {"norm": "0.1"})
    insert(model, {slot.name: BOTH for slot in slots(model)})
    found = check(model.double().eval())
    assert set(found.folded.values()) <= {"0.1", "0.1.host"}
    assert found.model.state_dict().keys() == keys


def test_mode_and_type_stay_and_float32_is_close():
    model = network(BOTH, "residual").float().train()
    expected = copy.deepcopy(model).eval()(torch.ones(2, 2, 8, 8))
    found = fold_constants(model)
    assert model.training
    assert found.model is model
    torch.testing.assert_close(model.eval()(torch.ones(2, 2, 8, 8)), expected, rtol=1e-5, atol=1e-5)
