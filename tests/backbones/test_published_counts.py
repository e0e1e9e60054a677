"""Parameters and multiply-adds of published networks with published blocks, where this language has both.

Not reproduced: ECA's 80 parameters and 4.7e-4 GFLOPs on ResNet-50 (arXiv 1910.03151, abstract), which are those of a
kernel of 5 in every block, while its rule gives 7 at 2048 channels; BAM, which stands between stages.
"""

import copy

import pytest
import timm
import torch
import torchvision

from attnspace import add_sites, cost, load_spec, slots
from attnspace.backbones import MobileNetV2Config
from attnspace.language.specs import dump_spec
from attnspace.placement.insertion import insert_at

SHAPE = (3, 224, 224)


def resnet50(library):
    with torch.device("meta"):
        model = timm.create_model("resnet50") if library == "timm" else torchvision.models.resnet50()
    return add_sites(model, {"residual": "layer*.*.bn3"}, SHAPE)


def mobilenet(library):
    with torch.device("meta"):
        if library == "attnspace":
            return MobileNetV2Config(stem="imagenet").make(3, 1000)
        # In the first block, which does not expand, the depthwise convolution comes first.
        depthwise = {"after": "features.*.conv.1", "type": "Conv2dNormActivation"}
        model = torchvision.models.mobilenet_v2()
    add_sites(model, {"first": "features.1.conv.0", "depthwise": depthwise}, SHAPE)
    return model


def with_block(model, block, positions):
    available = slots(model, SHAPE)
    with torch.device("meta"):
        return insert_at(model, {s.name: block for s in available if s.position in positions}, available)


def reduced(name, ratio):
    """A published block with another reduction in its channel gate."""
    data = copy.deepcopy(dump_spec(load_spec(name)))
    fc = (data["blocks"][0] if "blocks" in data else data)["excite"][0]
    fc["reduction"] = {**fc["reduction"], "ratio": ratio} if isinstance(fc.get("reduction"), dict) else ratio
    return data


@pytest.mark.parametrize("library", ["timm", "torchvision"])
@pytest.mark.parametrize(
    ("block", "millions", "more_gmacs"), [("se-official", 28.09, 0.002), ("cbam-official", 28.09, 0.006)]
)
def test_resnet50_is_as_large_as_in_the_table_of_cbam(library, block, millions, more_gmacs):
    """CBAM, arXiv 1807.06521, table 4: 25.56M and 3.858 GFLOPs plain; SE adds 0.002, CBAM 0.006, within rounding.

    There the first convolution of a bottleneck has the stride, here the second: only differences are comparable.
    """
    plain = cost(resnet50(library), SHAPE)
    placed = cost(with_block(resnet50(library), block, ("residual",)), SHAPE)
    assert round(plain.params / 1e6, 2) == 25.56
    assert round(placed.params / 1e6, 2) == millions
    assert abs((placed.macs - plain.macs) / 1e9 - more_gmacs) < 0.001


def test_eca_adds_one_kernel_in_each_block_of_resnet50():
    """ECA, arXiv 1910.03151, eq. 12: kernels of 5, 5, 5 and 7 at 256, 512, 1024 and 2048 channels."""
    plain, placed = resnet50("torchvision"), with_block(resnet50("torchvision"), "eca-official", ("residual",))
    assert cost(placed, SHAPE).params - cost(plain, SHAPE).params == 3 * 5 + 4 * 5 + 6 * 5 + 3 * 7


@pytest.mark.parametrize("library", ["attnspace", "torchvision"])
@pytest.mark.parametrize(
    ("block", "ratio", "millions", "tens_of_mmacs"),
    [
        (None, None, 3.5, 30),
        ("se-official", 24, 3.89, 30),
        ("cbam-official", 24, 3.89, 30),
        ("ca-official", 32, 3.95, 31),
    ],
)
def test_mobilenet_is_as_large_as_in_the_table_of_coordinate_attention(library, block, ratio, millions, tens_of_mmacs):
    """CA, arXiv 2103.02907: 300M multiply-adds plain, with SE and with CBAM, 310M with CA, all after the depthwise
    convolution, with a reduction of 24 for SE and CBAM, and of 32 for CA."""
    model = mobilenet(library)
    if block:
        with_block(model, reduced(block, ratio), ("first", "depthwise"))
    found = cost(model, SHAPE)
    assert round(found.params / 1e6, 2) == millions
    assert round(found.macs / 1e7) == tens_of_mmacs
