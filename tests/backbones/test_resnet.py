import pytest
import torch

from attnspace.backbones import ResNet, ResNetConfig, make, widened
from attnspace.errors import StudyError
from attnspace.validation import validate


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (56, 0.85), (110, 1.7)])
def test_parameters_are_those_of_the_paper(depth, millions):
    """He et al., table 6, within what 1x1 shortcuts add."""
    params = sum(p.numel() for p in ResNet(depth).parameters())
    assert abs(params / 1e6 - millions) < 0.04


@pytest.mark.parametrize("depth", [8, 14, 20, 56])
def test_depth_counts_convolutions_of_the_main_path_and_the_classifier(depth):
    main = [n for n, m in ResNet(depth).named_modules() if isinstance(m, torch.nn.Conv2d) and "shortcut" not in n]
    assert len(main) + 1 == depth


@pytest.mark.parametrize("depth", [9, 10, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(StudyError, match=f"depth: is not 6n.2; got {depth}; allowed: 8, 14"):
        validate(ResNetConfig, {"depth": depth}, StudyError)


@pytest.mark.parametrize(("depth", "width"), [(18, 16), (2, 16), (8, 0)])
def test_impossible_networks_are_refused(depth, width):
    with pytest.raises(ValueError, match=f"no CIFAR ResNet has depth {depth} and width {width}"):
        ResNet(depth, width)


def test_width_and_classes_are_fields():
    model = make(ResNetConfig(depth=8, width=5), in_channels=2, num_classes=7)
    assert model(torch.zeros(3, 2, 8, 8)).shape == (3, 7)
    assert model.fc.in_features == 20


@pytest.mark.parametrize("depth", [8, 20])
@pytest.mark.parametrize("more", [0, 289, 290, 5_000, 40_000])
def test_a_widened_network_comes_as_near_as_a_channel_allows(depth, more):
    config = ResNetConfig(depth=depth, width=16)
    wider = widened(config, more)
    counts = [sum(p.numel() for p in make(c, 3, 10).parameters()) for c in (config, wider)]
    assert 0 <= more - (counts[1] - counts[0]) < 290  # one more channel in stage 1 costs 290
    assert make(wider, 3, 10)(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_extra_channels_are_given_for_each_block():
    with pytest.raises(StudyError, match=r"extra: has a number for each block.*allowed: 3 numbers"):
        validate(ResNetConfig, {"depth": 8, "extra": [1]}, StudyError)
    with pytest.raises(ValueError, match="has 3 blocks; extra names 1"):
        ResNet(8, extra=[1])
