"""Slots opened in models that know nothing of them."""

import copy
import pickle

import pytest
import torch
from torch import nn

from attnspace import Placement, PlacementError, Site, add_sites, cost, insert, plan, slots
from attnspace.placement.insertion import insert_at

SHAPE = (3, 16, 16)


class Block(nn.Module):
    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.down = nn.AvgPool2d(stride)

    def forward(self, x):
        out = self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))
        out += self.down(x)
        return self.act(out)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.layer2 = nn.Sequential(Block(8, 2), Block(8))
        self.unused = nn.Conv2d(8, 8, 1)
        self.parts = nn.ModuleDict({"a": nn.Identity()})
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(x.mean((2, 3)))


@pytest.fixture
def model() -> Network:
    torch.manual_seed(0)
    return moved(Network())


def moved(model):
    """With statistics and weights that are not those of a new model."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


def numbered(model, written):
    """Name -> stage and block of the one position that is opened."""
    found = slots(add_sites(model, {"here": written}, SHAPE), SHAPE)
    return {s.name.removesuffix(".attention"): (s.stage, s.block) for s in found}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("layer*.*.bn2", {"layer1.0.bn2": (1, 1), "layer1.1.bn2": (1, 2), "layer2.0.bn2": (2, 1), "layer2.1.bn2": (2, 2)}),
        ({"after": "layer2.*.conv1"}, {"layer2.0.conv1": (2, 1), "layer2.1.conv1": (2, 2)}),
        ("layer*.0", {"layer1.0": (1, 1), "layer2.0": (2, 1)}),
        ("layer?", {"layer1": (1, 1), "layer2": (2, 1)}),
        ("**.bn[12]", {
            "layer1.0.bn1": (1, 1), "layer1.0.bn2": (1, 2), "layer1.1.bn1": (1, 3), "layer1.1.bn2": (1, 4),
            "layer2.0.bn1": (2, 1), "layer2.0.bn2": (2, 2), "layer2.1.bn1": (2, 3), "layer2.1.bn2": (2, 4),
        }),
        ({"type": "AvgPool2d"}, {f"layer{s}.{b}.down": (s, b + 1) for s in (1, 2) for b in (0, 1)}),
        ({"type": "_BatchNorm", "after": "stem.*"}, {"stem.1": (1, 1)}),
        ("stem", {"stem": (1, 1)}),
    ],
    ids=str,
)  # fmt: skip
def test_patterns_find_modules_and_number_them(model, written, expected):
    assert numbered(model, written) == expected


def test_a_slot_before_a_module_sees_what_it_is_given(model):
    add_sites(model, {"conv2": {"before": "layer*.*.conv2"}, "residual": "layer*.*.bn2"}, SHAPE)
    found = slots(model, SHAPE)
    assert [s.position for s in found] == ["conv2", "residual"] * 4
    assert found[0].name == "layer1.0.conv2.attention_before"
    seen = {}
    model.layer1[0].conv2.register_forward_hook(lambda m, args, out: seen.update(given=args[0]))
    model.layer1[0].act.register_forward_hook(lambda m, args, out: seen.setdefault("act", out.clone()))
    model(torch.randn(2, *SHAPE))
    assert torch.equal(seen["given"], seen["act"])


@pytest.mark.parametrize("written", ["layer*.*.bn2", {"before": "layer*.*.conv1"}, "layer*", {"before": "layer*.*"}])
def test_opening_slots_changes_neither_names_nor_values(model, written):
    x, plain = torch.randn(2, *SHAPE), copy.deepcopy(model)
    add_sites(model, {"here": written}, SHAPE)
    assert torch.equal(model(x), plain(x))
    assert list(model.state_dict()) == list(plain.state_dict())
    assert not model.training


@pytest.mark.parametrize("written", ["layer*.*.bn2", {"before": "layer*.*.conv1"}, "layer*"])
def test_inserted_blocks_act_once_and_add_keys_alone(model, written):
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    add_sites(model, {"here": written}, SHAPE)
    runs = []
    insert(model, {s.name: "eca" for s in slots(model, SHAPE)}, SHAPE)
    blocks = [m for n, m in model.named_modules() if n.rsplit(".", 1)[-1].startswith("attention")]
    for block in blocks:
        block.register_forward_hook(lambda *_: runs.append(1))
    model(torch.randn(2, *SHAPE))
    assert len(runs) == len(blocks) > 1
    assert set(kept) < set(model.state_dict())
    found = model.load_state_dict(kept, strict=False)
    assert not found.unexpected_keys
    assert all(".attention" in key for key in found.missing_keys)


def test_inserting_from_identity_changes_nothing_until_it_is_trained(model):
    x, plain = torch.randn(4, *SHAPE), copy.deepcopy(model)
    add_sites(model, {"residual": "layer*.*.bn2", "pre": {"before": "layer*.*"}}, SHAPE)
    for position in ("residual", "pre"):
        available = slots(model, SHAPE)
        insert_at(model, plan(available, Placement(position=position, start="identity"), "cbam-timm"), available)
    assert torch.equal(model(x), plain(x))
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model(x).square().mean().backward()
    scales = [p for name, p in model.named_parameters() if name.endswith("scale")]
    assert len(scales) == 8
    assert all(p.grad.abs() > 0 for p in scales)
    optimizer.step()
    assert not torch.equal(model.eval()(x), plain(x))


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"]
)
def test_copies_have_blocks_of_their_own(model, again):
    add_sites(model, {"residual": "layer*.*.bn2", "pre": {"before": "layer*.*.conv1"}}, SHAPE)
    insert(model, {"layer1.0.bn2.attention": "se-timm", "layer1.1.conv1.attention_before": "eca"}, SHAPE)
    x = torch.randn(2, *SHAPE)
    other = again(model)
    assert torch.equal(other(x), model(x))
    assert slots(other, SHAPE) == slots(model, SHAPE)
    before = model(x)
    with torch.no_grad():
        for name, p in other.named_parameters():
            if "attention" in name:
                p.add_(1)
    assert torch.equal(model(x), before)
    assert not torch.equal(other(x), before)


def test_a_model_with_blocks_is_compiled_whole(model):
    add_sites(model, {"residual": "layer*.*.bn2", "pre": {"before": "layer*.*.conv1"}}, SHAPE)
    insert(model, {s.name: "cbam-timm" for s in slots(model, SHAPE)}, SHAPE)
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(torch.compile(model, backend="eager", fullgraph=True)(x), expected)


def test_cost_counts_what_is_inserted(model):
    add_sites(model, {"residual": "layer*.*.bn2"}, SHAPE)
    plain = cost(model, SHAPE)
    insert(model, {"layer1.0.bn2.attention": "se-timm"}, SHAPE)
    more, block = cost(model, SHAPE), cost("se-timm", (8, 16, 16))
    assert (more.params - plain.params, more.flops - plain.flops) == (block.params, block.flops)


def test_positions_of_opened_slots_are_names_and_no_promises(model):
    """`pre` is on the residual branch alone here, so that a block there is another network."""
    add_sites(model, {"post_add": "layer*.*", "pre": {"before": "layer*.*.conv1"}}, SHAPE)
    assert all(slot.same_as == slot.name for slot in slots(model, SHAPE))


def test_slots_are_opened_in_several_calls(model):
    add_sites(model, {"residual": "layer*.*.bn2"}, SHAPE)
    insert(model, {"layer1.0.bn2.attention": "eca"}, SHAPE)
    add_sites(model, {"inner": "layer*.*.bn1"}, SHAPE)
    assert [s.position for s in slots(model, SHAPE)] == [
        "inner",
        "inner",
        "residual",
        "inner",
        "residual",
        "inner",
        "residual",
    ]


def test_a_slot_inside_of_an_opened_module_has_the_name_that_it_has_without(model):
    add_sites(model, {"post_add": "layer*.*", "residual": "layer*.*.bn2"}, SHAPE)
    names = [slot.name for slot in slots(model, SHAPE)]
    assert names[:2] == ["layer1.0.bn2.attention", "layer1.0.attention"]
    x, plain = torch.randn(2, *SHAPE), copy.deepcopy(model)
    insert(model, {names[0]: "eca", names[1]: "eca"}, SHAPE)
    assert not torch.equal(model(x), plain(x))
    assert slots(model, SHAPE) == slots(plain, SHAPE)[2:]
    added = set(model.state_dict()) - set(plain.state_dict())
    assert all(key.startswith(("layer1.0.bn2.attention.", "layer1.0.attention.")) for key in added)
    assert isinstance(model.get_submodule(names[2]), Site)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Named(nn.Conv2d):
    attention = "mine"


class Keyword(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(input=x)


FAULTS = {
    "no such name": (
        Network, {"residual": "layers*.*.bn2"},
        "slots.residual: matches no module; got \"layers*.*.bn2\"; allowed: stem, stem.*, layer*, layer*.*, "
        "layer*.*.conv*, layer*.*.bn*, layer*.*.act, layer*.*.down, ... (12 in all); did you mean 'layer*.*.bn*'?",
    ),
    "no such type": (
        Network, {"residual": {"type": "BatchNorm", "after": "**.bn1"}},
        "slots.residual: is the type of no such module; got \"BatchNorm\"; allowed: BatchNorm2d; did you mean 'BatchNorm2d'?",
    ),
    "no map": (
        Network, {"residual": "fc"},
        "slots.residual: what 'fc' returns is no map of (N, C, H, W) or (N, H, W, C); got [1, 5]",
    ),
    "no tensor": (
        lambda: nn.Sequential(Pair()), {"residual": "0"},
        "slots.residual: what '0' returns is no map of (N, C, H, W) or (N, H, W, C)",
    ),
    "nothing by place": (
        Keyword, {"residual": {"before": "conv"}},
        "slots.residual: what 'conv' is given is no map of (N, C, H, W) or (N, H, W, C)",
    ),
    "used twice": (
        Network, {"act": "layer1.*.act"},
        "slots.act: 'layer1.0.act' runs 2 times in a forward pass, and one block would stand in all of them; "
        "got \"ReLU\"; choose a module that runs once",
    ),
    "never used": (Network, {"residual": "unused"}, "slots.residual: 'unused' does not run in a forward pass"),
    "twice in one call": (
        Network, {"one": "layer1.0.bn2", "two": "layer*.*.bn2"},
        "slots.two: there is a slot after 'layer1.0.bn2' already",
    ),
    "twice in two calls": (
        lambda: add_sites(Network(), {"one": "layer*.*.bn2"}, SHAPE), {"two": "layer1.0.bn2"},
        "slots.two: there is a slot after 'layer1.0.bn2' already",
    ),
    "twice before": (
        lambda: add_sites(Network(), {"one": {"before": "layer1.0"}}, SHAPE), {"two": {"before": "layer1.0"}},
        "slots.two: there is a slot before 'layer1.0' already",
    ),
    "twice after a sequence": (
        lambda: add_sites(Network(), {"one": "layer1"}, SHAPE), {"two": "layer1"},
        "slots.two: there is a slot after 'layer1' already",
    ),
    "before a sequence": (
        Network, {"pre": {"before": "layer1"}},
        "slots.pre: 'layer1' runs its children itself; got \"Sequential\"; choose one of them, such as layer1.0",
    ),
    "a container": (
        Network, {"pre": "parts"},
        "slots.pre: 'parts' runs its children itself; got \"ModuleDict\"; choose one of them, such as parts.a",
    ),
    "a name that is taken": (
        lambda: nn.Sequential(Named(3, 3, 1)), {"pre": "0"},
        "slots.pre: '0' has an 'attention' of its own; choose a module beside it",
    ),
    "both sides": (
        Network, {"pre": {"before": "stem.0", "after": "stem.0"}},
        "slots.pre: stands after and before; give each side a position of its own",
    ),
    "no modules": (Network, {"pre": {}}, "slots.pre: names no modules; allowed: after, before or type"),
    "an unknown key": (
        Network, {"pre": {"afterr": "stem.0"}},
        "slots.pre.afterr: unknown key 'afterr'; got \"stem.0\"; allowed: after, before, type, fitting, layout; did you mean 'after'?",
    ),
    "a name that is none": (
        Network, {"Pre": "stem.0"},
        "slots: 'Pre' is no name of a position; allowed: up to 40 small letters, digits and '_', beginning with a letter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_places_that_cannot_be_are_refused_and_nothing_is_changed(case):
    make, written, message = FAULTS[case]
    model = make()
    before = [name for name, _ in model.named_modules()]
    with pytest.raises(PlacementError) as raised:
        add_sites(model, written, SHAPE)
    assert str(raised.value) == message
    assert [name for name, _ in model.named_modules()] == before


def test_a_model_that_cannot_be_run_says_why():
    for call in (
        lambda model: add_sites(model, {"here": {"type": "Conv2d"}}, SHAPE),
        lambda model: slots(model, SHAPE),
    ):
        with pytest.raises(PlacementError) as raised:
            call(nn.Sequential(nn.Conv2d(1, 4, 1)))
        assert str(raised.value) == (
            "the model cannot be run for its shapes: RuntimeError: Given groups=1, weight of size [4, 1, 1, 1], expected "
            "input[1, 3, 16, 16] to have 1 channels, but got 3 channels instead; got [3, 16, 16]; allowed: an input shape "
            "(C, H, W), or example inputs, that it takes"
        )


def test_the_input_shape_is_asked_for(model):
    with pytest.raises(PlacementError, match=r"pass input_shape=\(C, H, W\)"):
        add_sites(model, {"residual": "layer*.*.bn2"})
    model.input_shape = SHAPE
    assert add_sites(model, {"residual": "layer*.*.bn2"}) is model
    assert isinstance(model.layer1[0].bn2.attention, Site)
