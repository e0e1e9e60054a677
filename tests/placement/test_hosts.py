"""What is inserted follows its host, and runs."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from attnspace import Placement, PlacementError, add_sites, cost, insert, plan, slots
from attnspace.backbones import ResNet
from attnspace.costs.inputs import Inputs
from attnspace.placement.coverage import coverage, shallow
from attnspace.placement.sites import Opened
from attnspace.placement.watch import watch_blocks

SHAPE = (3, 16, 16)


def inserted(model: nn.Module, block: str = "ca") -> nn.Module:
    return insert(model, {slot.name: block for slot in slots(model, SHAPE) if slot.position == "residual"}, SHAPE)


@pytest.mark.parametrize("training", [True, False])
def test_a_block_is_in_the_mode_of_its_host(training):
    model = inserted(ResNet(depth=8, width=16).train(training))
    assert {module.training for module in model.modules()} == {training}


def test_an_image_is_evaluated_alone_as_in_its_batch():
    torch.manual_seed(0)
    model = inserted(ResNet(depth=8, width=16).eval()).double()
    x = torch.randn(4, *SHAPE, dtype=torch.float64)
    torch.testing.assert_close(model(x)[:1], model(x[:1]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("block", ["se", "cbam", "ca", "gct"])
def test_a_block_has_the_type_of_its_host(dtype, block):
    model = inserted(ResNet(depth=8, width=16).to(dtype), block)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert model(torch.randn(2, *SHAPE, dtype=dtype)).dtype == dtype


def test_a_block_is_drawn_alike_for_hosts_of_any_type():
    torch.manual_seed(3)
    single = inserted(ResNet(depth=8, width=16).eval(), "se")
    torch.manual_seed(3)
    double = inserted(ResNet(depth=8, width=16).eval().double(), "se")
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        assert torch.equal(a, b.float())


@pytest.mark.parametrize(
    ("wrap", "how"),
    [
        (torch.nn.DataParallel, "spread over devices"),
        (lambda model: torch.compile(model, backend="eager"), "compiled"),
    ],
)
def test_a_model_that_is_wrapped_is_refused(wrap, how):
    for call in (lambda model: slots(model, SHAPE), lambda model: add_sites(model, {"residual": "layer1"}, SHAPE)):
        with pytest.raises(
            PlacementError, match=f"the model is {how} already; .*insert blocks before the model is wrapped"
        ):
            call(wrap(ResNet(depth=8, width=16)))


class Twice(nn.Module):
    """Runs a module twice, in training alone, as losses of consistency do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)

    def forward(self, x_nchw: Tensor) -> Tensor:
        out = self.norm(self.conv(x_nchw))
        return (out + self.norm(self.conv(x_nchw.flip(-1))) if self.training else out).mean((2, 3))


def test_a_module_that_runs_twice_in_training_alone_is_refused():
    with pytest.raises(PlacementError, match=r"'norm' runs 2 times in a forward pass of training, and one block would"):
        add_sites(Twice(), {"residual": "norm"}, SHAPE)


def test_places_where_no_slot_can_be_are_left_out_if_that_is_asked_for():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(8 * 256, 4))
    found = slots(add_sites(model, {"here": {"after": "*", "fitting": True}}, SHAPE), SHAPE)
    assert [slot.name for slot in found] == ["0.attention"]
    with pytest.raises(PlacementError, match=r"slots.here: what '2' returns is no map"):
        add_sites(model, {"here": {"after": "2", "fitting": True}}, SHAPE)


def unwrapped(model: nn.Module) -> None:
    """Put every module back into its place, and its block with it out of the network."""
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if isinstance(child, Opened):
                module._modules[name] = child.host


@pytest.mark.parametrize("again", [lambda model: model, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_network_whose_blocks_were_dropped_fails_at_its_first_run(again):
    model = add_sites(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU()), nn.Flatten()), {"a": "0.1"}, SHAPE)
    available = slots(model, SHAPE)
    planned = plan(available, Placement(position="a"), "se")
    insert(model, planned, SHAPE)
    watch_blocks(model, planned)
    whole = again(model)
    whole(torch.randn(2, *SHAPE))
    whole(torch.randn(2, *SHAPE))
    model = copy.deepcopy(
        insert(
            add_sites(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU())), {"a": "0.1"}, SHAPE),
            {"0.1.attention": "se"},
            SHAPE,
        )
    )
    watch_blocks(model, ["0.1.attention"])
    dropped = again(model)
    unwrapped(dropped)
    with pytest.raises(
        PlacementError, match=r"the block at '0.1.attention' is not in the network any more: what was done to"
    ):
        dropped(torch.randn(2, *SHAPE))


def test_a_watched_network_is_compiled_whole():
    model = inserted(ResNet(depth=8, width=16).eval(), "se")
    watch_blocks(model, [name for name, _ in model.named_modules() if name.endswith("residual")])
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(torch.compile(model, backend="eager", fullgraph=True)(x), expected)


def test_slots_that_reach_over_little_of_the_depth_are_said():
    layers = [nn.Sequential(nn.Conv2d(8 if i else 3, 8, 1), nn.ReLU()) for i in range(10)]
    model = add_sites(nn.Sequential(*layers), {"late": "[789]", "all": {"before": "?.1"}}, SHAPE)
    found = coverage(model, Inputs(SHAPE))
    assert found == {"late": pytest.approx(0.3), "all": pytest.approx(1.0)}
    assert shallow(model, Inputs(SHAPE)) == (
        "the slots of position 'late' reach over 30% of the layers of the network",
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("where", ["0.bn", "0"])
def test_a_block_in_an_opened_slot_is_in_the_mode_of_its_host(where, training):
    class Unit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 32, 1), nn.BatchNorm2d(32)

        def forward(self, x_nchw: Tensor) -> Tensor:
            return self.bn(self.conv(x_nchw))

    model = add_sites(nn.Sequential(Unit()).train(training), {"a": where}, SHAPE)
    insert(model, {slots(model, SHAPE)[0].name: "ca"}, SHAPE)
    assert {module.training for module in model.modules()} == {training}


def test_a_block_in_a_model_on_the_meta_device_lies_there_too():
    with torch.device("meta"):
        model = ResNet(depth=8, width=16).bfloat16()
    with pytest.warns(UserWarning, match="inserted into a model on the meta device"):
        insert(model, {"stage1.block1.residual": "cbam"}, SHAPE)
    assert {(p.device.type, p.dtype) for p in model.parameters()} == {("meta", torch.bfloat16)}


class Trusting(nn.Module):
    """Asks its parts for more than what they compute."""

    def __init__(self, asks: str) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 8, 1), nn.MaxPool2d(2)
        self.conv._scale = 2.0
        self.asks = asks

    def forward(self, x_nchw: Tensor) -> Tensor:
        out = self.conv(x_nchw)
        if self.asks == "type":
            out = self.pool(out) * (2 if isinstance(self.pool, nn.MaxPool2d) else 1)  # one operation, another number
        elif self.asks == "weight":
            out = out if getattr(self.conv, "bias", None) is None else out + 1
        elif self.asks == "private":
            out = out * getattr(self.conv, "_scale", 1.0)
        return out.mean((2, 3))


@pytest.mark.parametrize(("asks", "where"), [("type", "pool"), ("weight", "conv")])
def test_a_model_that_would_do_something_else_with_slots_is_refused_and_left_as_it_was(asks, where):
    model = Trusting(asks)
    before = [name for name, _ in model.named_modules()]
    with pytest.raises(
        PlacementError, match=r"slots: (with these slots the model does something else|the model cannot)"
    ):
        add_sites(model, {"a": where}, SHAPE)
    assert [name for name, _ in model.named_modules()] == before


def test_private_attributes_are_answered_and_what_is_set_reaches_the_module():
    model, x = Trusting("private"), torch.randn(2, *SHAPE)
    expected = model(x)
    add_sites(model, {"a": "conv"}, SHAPE)
    assert torch.equal(model(x), expected)
    model.conv._scale = 3.0
    model.conv.new = "new"
    assert (model.conv.host._scale, model.conv.host.new) == (3.0, "new")


class Deploying(nn.Module):
    """Replaces itself by one convolution, as RepVGG does."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.end = nn.Conv2d(3, 3, 1), nn.Identity()

    def fuse(self) -> nn.Module:
        return self.one

    def forward(self, x_nchw: Tensor) -> Tensor:
        return self.end(self.one(x_nchw))


def test_what_replaces_itself_cannot_be_asked_to_where_a_slot_is_and_has_none_inside():
    model = add_sites(nn.Sequential(Deploying()), {"a": {"after": "0", "fitting": True}}, SHAPE)
    assert not hasattr(model[0], "fuse")
    with pytest.raises(PlacementError, match=r"'0.end' is a part of '0', which replaces its parts when it is deployed"):
        add_sites(nn.Sequential(Deploying()), {"a": "0.end"}, SHAPE)


class Versioned(nn.Conv2d):
    """Reads the files of its first version otherwise."""

    _version = 2

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get("version") is None:
            state_dict[f"{prefix}weight"] = state_dict[f"{prefix}weight"] * 100
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def test_an_opened_module_knows_the_version_that_it_was_saved_with():
    plain = nn.Sequential(Versioned(3, 4, 1))
    saved = plain.state_dict()
    model = add_sites(copy.deepcopy(plain), {"a": {"before": "0"}}, SHAPE)
    for state in (saved, model.state_dict()):
        model.load_state_dict(state)
        model.load_state_dict(state)
        assert torch.equal(model[0].host.weight, plain[0].weight)
    old = {name: value.clone() for name, value in saved.items()}
    model.load_state_dict(old)  # a plain mapping, which knows no versions
    assert torch.equal(model[0].host.weight, plain[0].weight * 100)


def test_a_state_is_saved_into_a_mapping_that_holds_something_already():
    model = add_sites(nn.Sequential(nn.Conv2d(3, 4, 1)), {"a": {"before": "0"}}, SHAPE)
    found = model.state_dict(destination={"host.x": 1})
    assert list(found) == ["host.x", "0.weight", "0.bias"]


@pytest.mark.filterwarnings("ignore")
def test_a_look_that_would_change_the_model_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    forward = model.forward
    model.forward = lambda x: forward(x) * 1
    with pytest.raises(PlacementError, match="a look at the model changed it: its forward, or a hook, is a function"):
        cost(model, SHAPE)
