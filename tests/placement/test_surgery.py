"""A block that is inserted survives what replaces modules by others, or the replacement fails loudly."""

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from attnspace import add_sites, insert, slots
from attnspace.placement.sites import Opened
from tests.surgery import frozen_norms

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is deprecated
    from torch.fx.experimental.optimization import fuse

SHAPE = (3, 16, 16)


def unit(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    return nn.Sequential(unit(3, 16), unit(16, 16), *head).eval()


def attended(where: dict[str, str] | str = "*.1") -> nn.Sequential:
    """The plain network with blocks that change what it computes."""
    model = add_sites(plain(), {"residual": where}, SHAPE)
    insert(model, {slot.name: "se-timm" for slot in slots(model, SHAPE)}, SHAPE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "attention" in name:
                parameter.normal_()
    return model.eval()


SURVIVES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "synchronised norms": nn.SyncBatchNorm.convert_sync_batchnorm,
    "frozen norms": frozen_norms,
    "fused by fx": fuse,
    "traced by fx": torch.fx.symbolic_trace,
    "exported": lambda model: torch.export.export(model, (torch.randn(2, *SHAPE),)).module(),
    "scripted by a trace": lambda model: torch.jit.trace(model, torch.randn(2, *SHAPE)),
    "a copy": copy.deepcopy,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("where", ["*.1", {"before": "*.1"}, {"before": "*.0"}, "*.0", "?"], ids=str)
@pytest.mark.parametrize("change", SURVIVES.values(), ids=SURVIVES)
def test_a_block_survives(change, where):
    model = attended("[01]" if where == "?" else where)
    x = torch.randn(2, *SHAPE)
    expected = model(x)
    assert not torch.allclose(expected, plain()(x), atol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = change(copy.deepcopy(model))
    if isinstance(changed, nn.Module) and not isinstance(changed, torch.fx.GraphModule | torch.jit.ScriptModule):
        changed.eval()
    torch.testing.assert_close(changed(x), expected, atol=1e-5, rtol=1e-5)


def test_fusing_that_goes_by_the_types_of_modules_fails():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((AssertionError, NotImplementedError)):
            torch.ao.quantization.fuse_modules(attended()[0], [["0", "1"]], inplace=True)


def test_fusing_that_goes_by_the_names_of_modules_fails():
    """As the `fuse()` of detectors does: it folds the weights of `bn` into `conv` and drops `bn`."""
    first = attended()[0]
    with pytest.raises(
        AttributeError, match="'running_mean' of a BatchNorm2d with an attention slot is asked for from outside"
    ):
        fuse_conv_bn_eval(first[0], first[1])


class Named(nn.Module):
    """Asks its parts for what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)

    def forward(self, x_nchw: Tensor) -> Tensor:
        return self.conv(x_nchw).mean((2, 3)) * self.conv.out_channels


def test_the_module_answers_what_it_is_and_takes_what_is_set():
    model = add_sites(Named(), {"residual": "conv"}, SHAPE)
    assert isinstance(model.conv, Opened)
    assert (model.conv.stride, model.conv.out_channels) == ((2, 2), 8)
    model.conv.padding_mode = "circular"
    assert model.conv.host.padding_mode == "circular"
    with pytest.raises(AttributeError, match="has no attribute 'strides'"):
        _ = model.conv.strides


def test_weights_are_loaded_with_and_without_slots():
    torch.manual_seed(1)
    saved = plain().state_dict()
    model = add_sites(plain(), {"residual": "*.1", "pre": {"before": "*.1"}, "end": "[01]"}, SHAPE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.load_state_dict(saved)
    found = model.state_dict()
    assert list(found) == list(saved)
    assert all(torch.equal(found[name], saved[name]) for name in saved)
    assert {name.removesuffix(".") for name in found._metadata} >= set(saved._metadata)
    plain().load_state_dict(found)
    insert(model, {"0.1.attention": "eca", "1.1.attention_before": "eca"}, SHAPE)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), model.parameters(), strict=True))
    added = set(model.state_dict()) - set(saved)
    assert added
    assert all(name.startswith(("0.1.attention.", "1.1.attention_before.")) for name in added)


def test_a_module_has_its_slot_under_each_of_its_names():
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)
            self.trunk = nn.Sequential(self.conv, self.norm)

        def forward(self, x_nchw: Tensor) -> Tensor:
            return self.trunk(x_nchw).mean((2, 3))

    model = add_sites(Cut(), {"residual": "norm"}, SHAPE)
    assert model.norm is model.trunk[1]
    insert(model, {slots(model, SHAPE)[0].name: "eca"}, SHAPE)
    runs: list[int] = []
    model.norm.attention.register_forward_hook(lambda *_: runs.append(1))
    model(torch.randn(2, *SHAPE))
    assert runs == [1]


def test_a_module_that_is_called_by_another_reference_is_refused():
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)
            self.steps = [self.conv]

        def forward(self, x_nchw: Tensor) -> Tensor:
            return self.steps[0](x_nchw).mean((2, 3))

    model = Listed()
    before = [name for name, _ in model.named_modules()]
    with pytest.raises(
        Exception, match=r"slots.residual: a slot at 'conv' does not run: the model calls the module by"
    ):
        add_sites(model, {"residual": "conv"}, SHAPE)
    assert [name for name, _ in model.named_modules()] == before


def test_weights_are_loaded_one_by_one_into_a_model_on_the_meta_device():
    """As libraries do that find each weight's module by its name, and take what is no buffer there for a parameter."""
    torch.manual_seed(1)
    saved = plain().state_dict()
    with (
        torch.device("meta"),
        pytest.warns(UserWarning, match="inserted into a model on the meta device, where they have"),
    ):
        model = attended_on_meta()
    for name, value in saved.items():
        path, _, last = name.rpartition(".")
        module = model.get_submodule(path)
        assert getattr(module, last).shape == value.shape
        if last not in module._buffers:
            value = nn.Parameter(value, requires_grad=value.is_floating_point())
        value.noted = name
        setattr(module, last, value)
    found = model.state_dict(keep_vars=True)
    assert all(torch.equal(found[name], saved[name]) and found[name].noted == name for name in saved)
    assert {name for name, _ in model.named_buffers()} == {name for name, _ in attended().named_buffers()}
    assert [name for name, weight in model.named_parameters() if not weight.is_meta] == [
        name for name, _ in attended().named_parameters() if "attention" not in name
    ]


def attended_on_meta() -> nn.Sequential:
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    model = add_sites(nn.Sequential(unit(3, 16), unit(16, 16), *head), {"residual": "*.1"}, SHAPE)
    return insert(model, {slot.name: "se-timm" for slot in slots(model, SHAPE)}, SHAPE)
