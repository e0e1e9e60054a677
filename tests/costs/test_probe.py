"""A look at a model changes nothing in it, and a model that cannot run without its numbers is run with them."""

import contextlib
import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnspace import PlacementError, add_sites, cost, insert, slots
from attnspace.backbones import ResNet
from attnspace.costs.inputs import Inputs
from attnspace.costs.latency import latency
from attnspace.costs.probe import Probe, copied, look

SHAPE = (3, 16, 16)


class Cut(nn.Module):
    """A network that is kept, and cut into a sequence: each of its parts has two names."""

    def __init__(self) -> None:
        super().__init__()
        self.net = ResNet(depth=8, width=4)
        self.trunk = nn.Sequential(*list(self.net.children())[:-1])

    def forward(self, x_nchw: Tensor) -> Tensor:
        return self.trunk(x_nchw).mean((2, 3))


class Keeping(nn.Module):
    """Keeps tensors in plain attributes, as detectors keep their grids and anchors, and what it computed last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.grid = torch.arange(16.0)
        self.anchors = {"all": [torch.ones(2)]}
        self.last: Tensor | None = None

    def forward(self, x_nchw: Tensor) -> Tensor:
        self.grid = torch.arange(float(x_nchw.shape[-1]), device=x_nchw.device)
        self.last = self.norm(self.conv(x_nchw)) + self.grid
        return self.last.mean((2, 3))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.second.weight = self.first.weight

    def forward(self, x_nchw: Tensor) -> Tensor:
        return self.norm(self.second(self.first(x_nchw))).mean((2, 3))


class Lopsided(nn.Sequential):
    """Its normalisation stays in evaluation mode, whatever mode is asked for."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout())

    def train(self, mode: bool = True) -> "Lopsided":
        super().train(mode)
        self[1].eval()
        return self


MODELS: dict[str, Callable[[], nn.Module]] = {
    "two names for a module": Cut,
    "tensors in plain attributes": Keeping,
    "tied tensors": Tied,
    "modes of its own": Lopsided,
}


def held(model: nn.Module) -> list[tuple]:
    """Everything that could change in a model: modes, hooks, and each tensor with its identity and value."""
    found: list[tuple] = []
    for name, module in model.named_modules(remove_duplicate=False):
        found.append((name, id(module), module.training, len(module._forward_hooks), len(module._forward_pre_hooks)))
        for key, value in vars(module).items():
            if isinstance(value, Tensor):
                found.append((name, key, id(value), value.device.type, value.detach().tolist()))
        for key, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            found.append((name, key, id(value), value.device.type, value.detach().tolist()))
    return found


LOOKS: dict[str, Callable[[nn.Module], object]] = {
    "cost": lambda model: cost(model, SHAPE),
    "slots": lambda model: slots(model, SHAPE),
    "latency": lambda model: latency(model, SHAPE, runs=1, warmup=0),
    "refused by name": lambda model: add_sites(model, {"here": "nowhere"}, SHAPE),
    "refused by shape": lambda model: add_sites(model, {"here": {"type": type(model).__name__}}, SHAPE),
    "refused by input": lambda model: add_sites(model, {"here": {"type": "Conv2d"}}, (5, 16, 16)),
}


@pytest.mark.parametrize("look_at", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("has_run", [False, True], ids=["new", "has run"])
def test_a_look_changes_nothing(make, look_at, has_run):
    torch.manual_seed(0)
    model = make()
    if has_run:
        model(torch.randn(2, *SHAPE))  # what was computed with a gradient cannot be copied by torch alone
    before, stream = held(model), torch.get_rng_state()
    with contextlib.suppress(PlacementError):
        look_at(model)
    assert held(model) == before
    assert torch.equal(torch.get_rng_state(), stream)


@pytest.mark.parametrize("on_meta", [False, True])
def test_tied_tensors_stay_tied_in_a_copy(on_meta):
    copy_ = copied(Tied(), on_meta=on_meta)
    assert copy_.second.weight is copy_.first.weight
    both = copied(Cut(), on_meta=on_meta)
    assert dict(both.named_modules(remove_duplicate=False))["trunk.0"] is next(both.net.children())


def test_parameters_of_tied_tensors_count_once():
    assert cost(Tied(), SHAPE).params == 9 + 3 + 3 + 6


class ReadsValues(nn.Module):
    """Its code asks for numbers, as drop rates from `linspace` and detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)

    def forward(self, x_nchw: Tensor) -> Tensor:
        scale = float(torch.linspace(0, 1, 3, device=x_nchw.device)[1])
        x_nchw = F.relu(self.norm(self.conv(x_nchw * scale)))
        return x_nchw.mean((2, 3)) if x_nchw.sum() > -1 else x_nchw


class OnItsOwnDevice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)

    def forward(self, x_nchw: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x_nchw)) + torch.zeros(1, 8, 1, 1)).mean((2, 3))


class OnAnyDevice(OnItsOwnDevice):
    def forward(self, x_nchw: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x_nchw)) + x_nchw.new_zeros(1, 8, 1, 1)).mean((2, 3))


@pytest.mark.parametrize("make", [ReadsValues, OnItsOwnDevice])
def test_a_model_that_does_not_run_on_the_meta_device_is_run_for_real(make):
    model = make()
    before = held(model)
    found, on_meta = cost(model, SHAPE), cost(OnAnyDevice(), SHAPE)
    assert held(model) == before
    assert (found.params, found.flops) == (on_meta.params, on_meta.flops)
    assert found.activation_bytes >= on_meta.activation_bytes
    add_sites(model, {"residual": "norm"}, SHAPE)
    assert [(s.channels, s.resolution) for s in slots(model, SHAPE)] == [(8, (16, 16))]
    insert(model, {"norm.attention": "se-timm"}, SHAPE)
    assert cost(model, SHAPE).params == found.params + cost("se-timm", (8, 16, 16)).params


def test_a_model_that_runs_nowhere_says_why_it_does_not_run_with_numbers():
    with pytest.raises(PlacementError, match=r"cannot be run for its shapes: RuntimeError: .*expected input\[1, 5"):
        slots(ReadsValues(), (5, 16, 16))


def test_costs_are_found_where_gradients_are_switched_off():
    model = ResNet(depth=8, width=4)
    expected = cost(model, SHAPE)
    with torch.no_grad():
        assert cost(model, SHAPE) == expected
    with torch.inference_mode():
        assert cost(model, SHAPE) == expected


class Deployed(nn.Sequential):
    """Its parts are fused when it is evaluated."""

    def eval(self) -> "Deployed":
        self[0] = nn.Conv2d(3, 4, 1, device=self[0].weight.device)
        return super().eval()


def test_a_model_that_is_fused_when_it_is_evaluated_is_not_fused_by_a_look():
    model = Deployed(nn.Conv2d(3, 4, 1)).train()
    first = model[0]
    cost(model, SHAPE)
    assert model[0] is first
    assert model.training


def test_a_module_that_was_frozen_by_hand_stays_frozen_in_training():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Lopsided())
    modes: list[bool] = []

    def training(probe: Probe) -> None:
        probe.model[1][1].register_forward_hook(lambda module, args, out: modes.append(module.training))
        probe.run(training=True)

    look(nn.Sequential(Lopsided(), nn.Flatten()), Inputs(SHAPE), lambda probe: probe.run(training=True))
    look(nn.Sequential(nn.Conv2d(3, 3, 1), Lopsided()), Inputs(SHAPE), training)
    assert modes == [False]
    assert model[0].training


class TakesTwo(nn.Module):
    """An image and numbers that stand beside it, by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8 + 2, 4)

    def forward(self, image: Tensor, *, numbers: Tensor) -> Tensor:
        return self.fc(torch.cat([self.conv(image).mean((2, 3)), numbers], 1))


EXAMPLES = {"image": torch.rand(1, *SHAPE), "numbers": torch.rand(1, 2)}


def test_a_model_of_several_inputs_is_run_with_examples():
    model = TakesTwo()
    found = cost(model, EXAMPLES)
    assert found.flops == 2 * (3 * 9 * 8 * 256 + 10 * 4)
    add_sites(model, {"residual": "conv"}, EXAMPLES)
    assert [(s.channels, s.resolution) for s in slots(model, EXAMPLES)] == [(8, (16, 16))]
    model.example_inputs = EXAMPLES
    insert(model, {"conv.attention": "eca"})
    assert model(**EXAMPLES).shape == (1, 4)


@pytest.mark.parametrize("given", [torch.rand(4, *SHAPE), [torch.rand(4, *SHAPE)], (torch.rand(1, *SHAPE),)])
def test_examples_are_a_tensor_or_a_sequence_too(given):
    assert cost(ResNet(depth=8, width=4), given) == cost(ResNet(depth=8, width=4), SHAPE)


def test_copies_of_a_lazy_model_leave_it_lazy():
    model = nn.Sequential(nn.LazyConv2d(4, 1), nn.Flatten())
    look(model, Inputs(SHAPE), Probe.run)
    assert isinstance(model[0], nn.LazyConv2d)
    assert isinstance(copy.deepcopy(model)[0], nn.LazyConv2d)
