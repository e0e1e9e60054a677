import pytest
import torch

from attnspace import slots
from attnspace.backbones import ImportConfig, MobileNetV2Config, ResNet, ResNetConfig, TimmConfig
from attnspace.documents.validation import validate
from attnspace.errors import StudyError


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (56, 0.85), (110, 1.7)])
def test_parameters_are_those_of_the_paper(depth, millions):
    """He et al., table 6, whose shortcuts have none; 1x1 shortcuts add a few."""
    padded, projected = (
        sum(p.numel() for p in ResNet(depth, shortcut=shortcut).parameters()) / 1e6
        for shortcut in ("padded", "projection")
    )
    assert round(padded, 2 if millions < 1 else 1) == millions
    assert 0 < projected - padded < 0.003


def test_a_padded_shortcut_takes_every_other_position_and_adds_channels_of_zeros():
    model = ResNet(8, 4, shortcut="padded")
    x = torch.randn(2, 4, 6, 10)
    out = model.stage2.block1.shortcut(x)
    assert torch.equal(out, torch.cat([x[:, :, ::2, ::2], torch.zeros(2, 4, 3, 5)], 1))
    assert len(model.stage1.block1.shortcut) == 0


@pytest.mark.parametrize("shortcut", ["projection", "padded"])
def test_bottlenecks_give_four_times_the_channels_and_have_a_third_convolution(shortcut):
    model = ResNetConfig(depth=11, width=4, block="bottleneck", shortcut=shortcut).make(3, 10)
    found = slots(model, (3, 16, 16))
    positions = ("pre", "conv1", "conv2", "conv3", "residual", "identity", "post_add")
    assert [s.position for s in found] == list(positions) * 3
    assert [s.channels for s in found[:7]] == [4, 4, 4, 4, 16, 16, 16]
    assert [(s.channels, s.resolution) for s in found if s.position == "residual"] == [
        (16, (16, 16)),
        (32, (8, 8)),
        (64, (4, 4)),
    ]
    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_a_bottleneck_resnet_of_164_layers_has_the_published_size():
    """1.7M: Huang et al., arXiv 1608.06993, table 2."""
    model = ResNet(164, block="bottleneck")
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 1.7
    main = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d) and "shortcut" not in n]
    assert len(main) + 1 == 164


@pytest.mark.parametrize("depth", [8, 14, 20, 56])
def test_depth_counts_convolutions_of_the_main_path_and_the_classifier(depth):
    main = [n for n, m in ResNet(depth).named_modules() if isinstance(m, torch.nn.Conv2d) and "shortcut" not in n]
    assert len(main) + 1 == depth


@pytest.mark.parametrize("depth", [9, 10, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(StudyError, match=f"depth: is not 6n.2; got {depth}; allowed: 8, 14"):
        validate(ResNetConfig, {"depth": depth}, StudyError)


def test_bottlenecks_have_depths_of_their_own():
    with pytest.raises(StudyError) as raised:
        validate(ResNetConfig, {"depth": 20 - 1, "block": "bottleneck"}, StudyError)
    assert str(raised.value) == "depth: is not 9n+2; got 19; allowed: 11, 20, 29, ..., such as 11 or 20"


def test_fields_that_recorded_studies_lack_are_written_only_where_they_say_something():
    assert ResNetConfig().model_dump(mode="json") == {"kind": "resnet", "depth": 20, "width": 16, "extra": []}
    config = ResNetConfig(depth=11, block="bottleneck", shortcut="padded")
    assert validate(ResNetConfig, config.model_dump(mode="json"), StudyError) == config


@pytest.mark.parametrize(
    ("depth", "width", "message"),
    [
        (21, 16, r"depth: is not 6n\+2; got 21; allowed: 8, 14, 20, \.\.\., such as 20 or 26"),
        (2, 16, r"depth: is not 6n\+2; got 2; allowed: 8, 14, 20, \.\.\., such as 8 or 14"),
        (8, 0, "width: has no channels; got 0; allowed: 1 or more"),
    ],
)
def test_impossible_networks_are_refused(depth, width, message):
    with pytest.raises(StudyError, match=message):
        ResNet(depth, width)


def test_width_and_classes_are_fields():
    model = ResNetConfig(depth=8, width=5).make(in_channels=2, num_classes=7)
    assert model(torch.zeros(3, 2, 8, 8)).shape == (3, 7)
    assert model.fc.in_features == 20


@pytest.mark.parametrize("depth", [8, 20])
@pytest.mark.parametrize("more", [0, 289, 290, 5_000, 40_000])
def test_a_widened_network_comes_as_near_as_a_channel_allows(depth, more):
    config = ResNetConfig(depth=depth, width=16)
    wider = config.widened(more)
    counts = [sum(p.numel() for p in c.make(3, 10).parameters()) for c in (config, wider)]
    assert 0 <= more - (counts[1] - counts[0]) < 290  # one more channel in stage 1 costs 290
    assert wider.make(3, 10)(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_extra_channels_are_given_for_each_block():
    with pytest.raises(StudyError, match=r"extra: has a number for each block.*allowed: 3 numbers"):
        validate(ResNetConfig, {"depth": 8, "extra": [1]}, StudyError)
    with pytest.raises(ValueError, match="has 3 blocks; extra names 1"):
        ResNet(8, extra=[1])


def test_extra_channels_are_for_basic_blocks():
    with pytest.raises(StudyError, match="extra: is for basic blocks"):
        validate(ResNetConfig, {"depth": 11, "block": "bottleneck", "extra": [1, 2, 3]}, StudyError)
    with pytest.raises(ValueError, match="extra is for basic blocks"):
        ResNet(11, extra=[1, 2, 3], block="bottleneck")


@pytest.mark.parametrize(
    "config",
    [
        ResNetConfig(depth=11, block="bottleneck"),
        MobileNetV2Config(),
        TimmConfig(model="resnet18"),
        ImportConfig(**{"import": "a:b"}),
    ],
    ids=lambda config: config.kind,
)
def test_what_cannot_be_widened_stays_as_it_is(config):
    assert config.widened(100_000) is config


def test_a_padded_resnet_is_widened_too():
    config = ResNetConfig(depth=8, shortcut="padded")
    counts = [sum(p.numel() for p in c.make(3, 10).parameters()) for c in (config, config.widened(5_000))]
    assert 0 <= 5_000 - (counts[1] - counts[0]) < 290
