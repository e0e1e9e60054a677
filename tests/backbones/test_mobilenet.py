import pytest
import torch
import torchvision

from attnspace import Placement, PlacementError, StudyError, cost, plan, slots
from attnspace.backbones import MobileNetV2, MobileNetV2Config
from attnspace.documents.validation import validate
from attnspace.placement.insertion import insert_at

POSITIONS = ("pre", "expand", "depthwise", "residual", "post_add")
IMAGENET = MobileNetV2Config(stem="imagenet")


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_it_is_as_large_as_torchvisions():
    with torch.device("meta"):
        ours, theirs = IMAGENET.make(3, 1000), torchvision.models.mobilenet_v2()
    assert parameters(ours) == parameters(theirs) == 3_504_872
    assert cost(ours, (3, 224, 224)).flops == cost(theirs, (3, 224, 224)).flops


@pytest.mark.parametrize("width", [0.1, 0.35, 0.5, 0.75, 1.4, 2.0])
def test_channels_are_rounded_as_torchvision_rounds_them(width):
    with torch.device("meta"):
        ours = MobileNetV2(width, "imagenet", num_classes=10)
        theirs = torchvision.models.mobilenet_v2(width_mult=width, num_classes=10)
    assert parameters(ours) == parameters(theirs)


def test_it_computes_what_torchvisions_does():
    torch.manual_seed(0)
    ours, theirs = (
        MobileNetV2(0.35, "imagenet").eval(),
        torchvision.models.mobilenet_v2(width_mult=0.35, num_classes=10),
    )
    mine, other = ours.state_dict(), theirs.eval().state_dict()
    assert [v.shape for v in mine.values()] == [v.shape for v in other.values()]
    ours.load_state_dict(dict(zip(mine, other.values(), strict=True)))
    x = torch.randn(2, 3, 64, 48)
    torch.testing.assert_close(ours(x), theirs(x))


def test_positions_stages_and_blocks_are_those_of_the_table():
    found = slots(MobileNetV2(), (3, 32, 32))
    counts = {s.stage: s.block for s in found}
    assert counts == {1: 1, 2: 2, 3: 3, 4: 4, 5: 3, 6: 3, 7: 1}
    assert [s.position for s in found if (s.stage, s.block) == (1, 1)] == ["pre", "depthwise", "residual", "post_add"]
    assert [s.position for s in found if (s.stage, s.block) == (4, 2)] == list(POSITIONS)
    assert [s.channels for s in found if (s.stage, s.block) == (4, 2)] == [64, 384, 384, 64, 64]


@pytest.mark.parametrize(
    ("stem", "size", "resolutions"),
    [("cifar", 32, [32, 32, 16, 8, 8, 4, 4]), ("imagenet", 224, [112, 56, 28, 14, 14, 7, 7])],
)
def test_the_stem_fits_the_images(stem, size, resolutions):
    model = MobileNetV2(stem=stem)
    assert model.input_shape == (3, size, size)
    found = slots(model, model.input_shape)
    last = {s.stage: s.resolution for s in found if s.position == "residual"}
    assert list(last.values()) == [(n, n) for n in resolutions]


def test_where_nothing_is_added_the_output_is_the_residual():
    maps = {(s.stage, s.block, s.position): s.same_as for s in slots(MobileNetV2(), (3, 32, 32))}
    assert maps[2, 1, "post_add"] == "stages.stage2.block1.residual"
    assert maps[2, 2, "pre"] == "stages.stage2.block1.residual"
    assert maps[2, 2, "post_add"] == "stages.stage2.block2.post_add"
    assert maps[3, 1, "pre"] == "stages.stage2.block2.post_add"


def test_a_stage_without_the_position_is_refused_where_it_is_asked_for():
    available = slots(MobileNetV2(), (3, 32, 32))
    everywhere = plan(available, Placement(position="expand"), "eca")
    assert len(everywhere) == 16
    with pytest.raises(PlacementError) as raised:
        plan(available, Placement(position="expand", stages=(1, 2)), "eca")
    expected = "placement.stages.0: stage 1 has no position 'expand'; allowed: 2, 3, 4, 5, 6, 7"
    assert str(raised.value) == expected


@pytest.mark.parametrize("position", POSITIONS)
def test_blocks_go_into_every_position_and_train(position):
    torch.manual_seed(0)
    model = MobileNetV2Config(width=0.25).make(2, 7)
    available = slots(model, (2, 16, 16))
    insert_at(model, plan(available, Placement(position=position), "eca"), available)
    model(torch.randn(4, 2, 16, 16)).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_position_acts_where_it_stands():
    model = MobileNetV2(0.25).eval()
    block = model.stages.stage3.block2
    x = torch.randn(2, 8, 4, 4)

    def after(name):
        kept = {}
        handle = block.get_submodule(name).register_forward_pre_hook(lambda m, a: kept.update(x=a[0]))
        out = block(x)
        handle.remove()
        return kept["x"], out

    assert torch.equal(after("expansion.expand")[0], block.expansion(x))
    assert torch.equal(after("depthwise")[0], block.filter(block.expansion(x)))
    seen, out = after("residual")
    assert torch.equal(out, x + seen)


def test_unknown_stems_are_refused():
    with pytest.raises(StudyError, match='stem: should be cifar or imagenet; got "mnist"'):
        validate(MobileNetV2Config, {"stem": "mnist"}, StudyError)
