import json

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from attnspace import Placement, PlacementError, Site, SpecError, build, insert, insert_design, load_spec, plan, slots
from attnspace.backbones import ResNet
from attnspace.costs.network import cost
from attnspace.language.specs import dump_spec
from attnspace.placement.insertion import insert_at
from attnspace.primitives.blocks.rezero import Rezero

SHAPE = (3, 32, 32)
POSITIONS = ("pre", "conv1", "conv2", "residual", "post_add", "identity")


@pytest.fixture
def model() -> ResNet:
    torch.manual_seed(0)
    return ResNet(depth=14, width=16)


def test_every_block_of_every_stage_has_every_position(model):
    found = [(s.stage, s.block, s.position) for s in slots(model, SHAPE)]
    assert sorted(found) == sorted((s, b, p) for s in (1, 2, 3) for b in (1, 2) for p in POSITIONS)


def test_channels_and_resolutions_are_those_of_a_real_run(model):
    seen = {}
    for slot in slots(model, SHAPE):
        site = model.get_submodule(slot.name)
        site.register_forward_hook(lambda m, a, o, name=slot.name: seen.__setitem__(name, tuple(o.shape[1:])))
    model(torch.zeros(1, *SHAPE))
    assert {s.name: (s.channels, *s.resolution) for s in slots(model, SHAPE)} == seen


def test_looking_for_slots_leaves_the_model_as_it_was(model):
    model.train()
    model.stage1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    slots(model, SHAPE)
    cost(model, SHAPE)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
    assert not model.stage1.training
    assert model.stage2.training
    assert not [m for m in model.modules() if m._forward_pre_hooks]


@pytest.mark.parametrize("position", POSITIONS)
def test_a_block_acts_where_it_is_placed(model, position):
    """A gate of 1 at a position changes nothing; one of 0 does what cutting that path does."""
    x = torch.randn(2, *SHAPE)
    model.eval()
    plain = model(x)
    name = next(s.name for s in slots(model, SHAPE) if (s.stage, s.block, s.position) == (2, 2, position))

    class Times(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return x * self.factor

    model.set_submodule(name, Times(1.0))
    assert torch.equal(model(x), plain)
    seen = {}
    block = model.stage2.block2
    block.register_forward_hook(lambda m, a, o: seen.update(x=a[0], y=o))
    model.set_submodule(name, Times(0.0))
    model(x)

    def branch(inner):
        return block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(inner)))))

    x0, relu = seen["x"], torch.relu
    zero = torch.zeros_like(x0)
    expected = {
        "pre": relu(branch(zero)),
        "conv1": relu(branch(zero) + x0),
        "conv2": relu(block.bn2(block.conv2(zero)) + x0),
        "residual": relu(x0),
        "post_add": zero,
        "identity": relu(branch(x0)),
    }[position]
    torch.testing.assert_close(seen["y"], expected)


def test_inserted_blocks_are_those_that_build_makes(model):
    torch.manual_seed(3)
    insert(model, {"stage3.block1.residual": "cbam"})
    torch.manual_seed(3)
    expected = build("cbam", 64)
    found = model.stage3.block1.residual
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), expected.parameters(), strict=True))


def test_weights_are_drawn_in_the_order_of_the_forward_pass():
    def with_order(names):
        torch.manual_seed(0)
        return insert(ResNet(8), dict.fromkeys(names, "se")).state_dict()

    names = ["stage1.block1.residual", "stage3.block1.residual"]
    one, other = with_order(names), with_order(names[::-1])
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_number_of_input_channels(channels):
    model = insert(ResNet(8, width=16, in_channels=channels), {"stage1.block1.pre": "eca"})
    assert model(torch.zeros(2, channels, 9, 7)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stage9.block1.pre", "no slot is named 'stage9.block1.pre'; allowed: stage1.block1.pre, .*; did you mean"),
        ("stage1.block1.conv1", "'stage1.block1.conv1' is not a free slot; got \"Conv2d\""),
    ],
)
def test_a_slot_that_does_not_exist_is_refused(model, name, message):
    with pytest.raises(PlacementError, match=message):
        insert(model, {name: "se"})


def test_a_slot_is_taken_once(model):
    insert(model, {"stage1.block1.pre": "se"})
    with pytest.raises(PlacementError, match="is not a free slot"):
        insert(model, {"stage1.block1.pre": "eca"})


def test_nothing_is_inserted_when_one_block_is_impossible():
    model = ResNet(8, width=8)
    with pytest.raises(SpecError, match=r"stage1\.block1\.residual\.excite\.0\.reduction: reduction 16 leaves"):
        insert(model, {"stage3.block1.residual": "se", "stage1.block1.residual": "se"})
    assert len(slots(model, SHAPE)) == 18


def test_a_model_of_unknown_input_shape_asks_for_it():
    with pytest.raises(PlacementError, match=r"pass input_shape=\(C, H, W\)"):
        insert(nn.Sequential(), {"0": "se"})


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        (Placement(), [f"stage{s}.block{b}.residual" for s in (1, 2, 3) for b in (1, 2)]),
        (Placement(stages=(3,)), ["stage3.block1.residual", "stage3.block2.residual"]),
        (Placement(stages=(3, 1), every=2), ["stage1.block2.residual", "stage3.block2.residual"]),
        (Placement(position="pre", every=5), [f"stage{s}.block2.pre" for s in (1, 2, 3)]),
    ],
)
def test_a_placement_chooses_position_stages_and_every_kth_block(model, placement, expected):
    assert list(plan(slots(model, SHAPE), placement, "se")) == expected


def test_one_spec_for_each_stage(model):
    chosen = plan(slots(model, SHAPE), Placement(every=2), {1: "se", 2: {"kind": "identity"}, 3: "cbam"})
    assert {name: block.kind for name, block in chosen.items()} == {
        "stage1.block2.residual": "gate",
        "stage3.block2.residual": "sequential",
    }


@pytest.mark.parametrize(
    ("placement", "block", "message"),
    [
        (Placement(stages=(4,)), "se", r"placement\.stages\.0: stage 4 does not exist; allowed: 1, 2, 3"),
        (
            Placement(position="resid"),
            "se",
            r"placement\.position: position 'resid' does not exist; allowed: conv1, conv2, identity, post_add, pre, residual; did you mean 'residual'\?",
        ),
        (Placement(), {0: "eca", 1: "se", 2: "se", 3: "se"}, r"block\.per_stage\.0: stage 0 does not exist"),
        (Placement(), {1: "se", 2: "se"}, r"block\.per_stage: no block is given for stage 3"),
        (Placement(), {**load_spec("se").model_dump(), "excite": [{"kind": "fc", "reduction": 40}]}, "slot stage1"),
    ],
)
def test_impossible_placements_are_refused(model, placement, block, message):
    with pytest.raises((PlacementError, SpecError), match=message):
        plan(slots(model, SHAPE), placement, block)


def test_a_design_file_goes_into_a_model(tmp_path):
    path = tmp_path / "winner.json"
    stages = {"1": {"$schema": "x", **dump_spec(load_spec("se"))}, "3": dump_spec(load_spec("eca"))}
    path.write_text(json.dumps({"placement": {"position": "pre", "stages": [3, 1]}, "block": {"per_stage": stages}}))
    model = insert_design(ResNet(8), path)
    assert sum(p.numel() for p in model.stage1.block1.pre.parameters()) == 32
    assert sum(p.numel() for p in model.stage3.block1.pre.parameters()) == 4
    path.write_text(json.dumps({"placement": {"stages": [7]}, "block": dump_spec(load_spec("se"))}))
    with pytest.raises(PlacementError, match=r"winner\.json: placement\.stages\.0: stage 7 does not exist"):
        insert_design(ResNet(8), path)


def test_post_add_and_the_next_pre_are_one_place_unless_something_lies_between(model):
    maps = {slot.name: slot.same_as for slot in slots(model, SHAPE)}
    assert maps["stage1.block2.pre"] == "stage1.block1.post_add"
    assert maps["stage2.block1.pre"] == "stage1.block2.post_add"
    assert maps["stage1.block1.pre"] == "stage1.block1.pre"
    assert sum(name != first for name, first in maps.items()) == 5
    pooled = nn.Sequential(Site(1, 1, "post_add"), nn.AvgPool2d(2), Site(2, 1, "pre"))
    assert [slot.same_as for slot in slots(pooled, SHAPE)] == ["0", "2"]


def test_sites_make_slots_of_any_model():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), Site(1, 1, "residual"), nn.AdaptiveAvgPool2d(1))
    (slot,) = slots(model, (3, 9, 9))
    assert (slot.name, slot.channels, slot.resolution) == ("1", 8, (4, 4))
    insert(model, {"1": "eca"}, (3, 9, 9))
    assert model(torch.zeros(1, 3, 9, 9)).shape == (1, 8, 1, 1)


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (32, 32), 64, (3, 0, 3), ("a", 1, 1)])
def test_a_wrong_input_shape_is_refused(model, shape):
    for use in (slots, cost):
        with pytest.raises(SpecError, match=r"the input shape is not \(C, H, W\)"):
            use(model, shape)


def test_positions_are_names():
    assert Placement(position="after_pool2").position == "after_pool2"
    for name in ("", "Residual", "a.b", "1st", "a" * 41):
        with pytest.raises(ValidationError, match="position"):
            Placement(position=name)


def test_blocks_that_start_from_the_identity_are_wrapped(model):
    per_stage = {1: "se", 2: {"kind": "identity"}, 3: {"kind": "rezero", "block": dump_spec(load_spec("eca"))}}
    available = slots(model, SHAPE)
    plain, wrapped = (plan(available, Placement(start=start), per_stage) for start in ("published", "identity"))
    assert list(plain) == list(wrapped)
    for name, block in wrapped.items():
        assert block == (plain[name] if "stage3" in name else Rezero(block=plain[name]))
    assert Placement(stages=(2,), every=2, start="identity").label() == "residual, stage 2, every 2, from identity"
    assert Placement().label() == "residual, all stages"


@pytest.mark.parametrize("position", POSITIONS)
def test_a_trained_network_computes_the_same_at_first(model, position):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.normal_(module.weight)
    x = torch.randn(2, *SHAPE)
    expected = model.eval()(x)
    available = slots(model, SHAPE)
    insert_at(model, plan(available, Placement(position=position, start="identity"), "cbam"), available)
    assert torch.equal(model.eval()(x), expected)


def test_a_placement_may_be_read_from_json():
    assert Placement(stages=[1, 2]) == Placement(stages=(1, 2))


def test_one_block_without_its_slot_is_refused():
    with pytest.raises(PlacementError, match=r'by the names of their slots; got "?cbam"?; allowed: a mapping'):
        insert(ResNet(depth=8, width=4), "cbam", (3, 16, 16))
