"""Models of known families have slots without being told where."""

from collections import Counter

import pytest
import torch

from attnspace import Placement, insert, plan, slots
from attnspace.backbones import TimmConfig, TorchvisionConfig

AROUND = {"pre", "residual", "post_add"}

FAMILIES = {
    "a resnet": (TimmConfig(model="resnet10t"), 64, AROUND, {1: 1, 2: 1, 3: 1, 4: 1}, "nchw"),
    "a selective kernel": (TimmConfig(model="skresnet18"), 64, AROUND, {1: 2, 2: 2, 3: 2, 4: 2}, "nchw"),
    "a regnet": (TimmConfig(model="regnetx_002"), 64, AROUND, {1: 1, 2: 1, 3: 4, 4: 7}, "nchw"),
    "a densenet": (
        TimmConfig(model="densenet121"), 64, {"residual", "post_add"}, {1: 6, 2: 12, 3: 24, 4: 16}, "nchw",
    ),
    "a convnext": (TimmConfig(model="convnext_atto"), 64, AROUND, {1: 2, 2: 2, 3: 6, 4: 2}, "nchw"),
    "inverted residuals": (
        TimmConfig(model="mobilenetv2_035"), 64, {"depthwise", "residual"}, {2: 2, 3: 3, 4: 4, 5: 3, 6: 3, 7: 1}, "nchw",
    ),
    "a ghostnet": (
        TimmConfig(model="ghostnet_050"), 64, AROUND, {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 5, 8: 1, 9: 4}, "nchw",
    ),
    "a hrnet": (TimmConfig(model="hrnet_w18_small"), 64, AROUND, {2: 4, 3: 6, 4: 8}, "nchw"),
    "a dla": (TimmConfig(model="dla46_c"), 64, {"residual"}, {3: 2, 4: 4, 5: 4, 6: 2}, "nchw"),
    "a repvgg": (TimmConfig(model="repvgg_a0"), 64, {"pre", "post_add"}, {1: 2, 2: 4, 3: 14, 4: 1}, "nchw"),
    "a swin": (TimmConfig(model="swin_tiny_patch4_window7_224"), 224, AROUND, {1: 2, 2: 2, 3: 6, 4: 2}, "nhwc"),
    "a vgg": (TorchvisionConfig(model="vgg11"), 64, {"post_add"}, {1: 1, 2: 1, 3: 2, 4: 2, 5: 2}, "nchw"),
    "a shufflenet": (TorchvisionConfig(model="shufflenet_v2_x0_5"), 64, AROUND, {2: 4, 3: 8, 4: 4}, "nchw"),
    "torchvision's regnet": (
        TorchvisionConfig(model="regnet_y_400mf"), 64, AROUND, {1: 1, 2: 3, 3: 6, 4: 6}, "nchw",
    ),
    "torchvision's efficientnet": (
        TorchvisionConfig(model="efficientnet_b0"), 64, {"residual"}, {1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 1}, "nchw",
    ),
    "torchvision's mobilenet": (
        TorchvisionConfig(model="mobilenet_v2"), 64, {"depthwise", "residual"}, {1: 2, 2: 3, 3: 7, 4: 4}, "nchw",
    ),
    "torchvision's swin": (TorchvisionConfig(model="swin_t"), 64, AROUND, {1: 2, 2: 2, 3: 6, 4: 2}, "nhwc"),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_known_family_has_slots_in_stages_of_one_numbering(family):
    config, size, positions, stages, layout = FAMILIES[family]
    model = config.make(3, 10, (size, size))
    found = slots(model)
    assert {slot.position for slot in found} == positions
    main = "residual" if "residual" in positions else "post_add"
    here = [slot for slot in found if slot.position == main]
    assert Counter(slot.stage for slot in here) == stages
    assert {slot.layout for slot in here} == {layout}
    last = here[-1]
    insert(model, plan(found, Placement(position=main, stages=(last.stage,)), "eca"))
    ran: list[int] = []
    model.get_submodule(last.name).register_forward_hook(lambda *_: ran.append(1))
    assert model.eval()(torch.randn(1, 3, size, size)).shape == (1, 10)
    assert ran == [1]
