import copy
import pickle

import pytest
import timm
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, resnet18

from attnspace import SpecError, build, layer, published

X = torch.randn(2, 128, 6, 5, generator=torch.Generator().manual_seed(0))


def trained(name: str, channels: int = 128) -> nn.Module:
    """A module whose weights and running statistics have left their initial values."""
    module = build(name, channels)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    module(torch.randn(4, channels, 6, 5, generator=generator))
    return module.eval()


@pytest.mark.parametrize("name", published())
def test_a_module_can_be_pickled_and_copied_and_knows_no_spec(name):
    module = trained(name)
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert torch.equal(other(X), module(X))
    homes = {type(value).__module__ for part in module.modules() for value in vars(part).values()}
    assert not [home for home in homes if "pydantic" in home]


@pytest.mark.parametrize("name", published())
def test_a_module_compiles_to_one_graph(name):
    module = trained(name)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(X), module(X))
    torch._dynamo.reset()


@pytest.mark.parametrize("name", published())
def test_a_module_is_exported_with_free_batch_height_and_width(name):
    """Sizes beyond an extent of 8: torch.export tells one position from several."""
    module = trained(name)
    auto = torch.export.Dim.DYNAMIC
    free = {0: auto, 2: auto, 3: auto}
    program = torch.export.export(module, (torch.randn(3, 128, 20, 18),), dynamic_shapes=(free,))
    for size in ((2, 19, 24), (5, 32, 17)):
        x = torch.randn(size[0], 128, *size[1:])
        torch.testing.assert_close(program.module()(x), module(x))


@pytest.mark.parametrize("name", published())
def test_mixed_precision_and_channels_last_give_no_nan(name):
    """Activations as large as deep networks have them; bfloat16 is what autocast uses on a CPU."""
    module = trained(name).train().to(memory_format=torch.channels_last)
    x = (30 * torch.randn(4, 128, 14, 14)).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(x)
    out.float().square().mean().backward()
    assert torch.isfinite(out).all()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("name", published())
def test_channels_last_changes_nothing(name):
    module = trained(name)
    last = copy.deepcopy(module).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(X.to(memory_format=torch.channels_last)), module(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", published())
def test_dead_maps_have_gradients(name):
    """A channel that ReLU has silenced, and a map of equal values."""
    module = trained(name).train()
    for x in (torch.zeros(2, 128, 5, 7), torch.ones(2, 128, 5, 7), X.relu() * (torch.arange(128) % 2)[:, None, None]):
        given = x.clone().requires_grad_()
        module(given).sum().backward()
        assert torch.isfinite(given.grad).all()


def test_a_factory_takes_what_libraries_pass():
    make = layer("se")
    module = make(64, rd_ratio=0.25, act_layer=torch.nn.SiLU, device="cpu", dtype=torch.float64)
    assert {p.dtype for p in module.parameters()} == {torch.float64}
    assert next(make(128).parameters()).shape[0] == 8


@pytest.mark.parametrize("name", ["ca-official", "triplet", "bam", "sk", "simam"])
def test_timms_resnet_takes_a_factory(name):
    plain = timm.create_model("resnet18", num_classes=3)
    model = timm.create_model("resnet18", num_classes=3, block_args={"attn_layer": layer(name)})
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 3)
    added = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in plain.parameters())
    blocks = [c for c in (64, 128, 256, 512) for _ in range(2)]
    assert added == sum(p.numel() for c in blocks for p in build(name, c).parameters())


@pytest.mark.parametrize("name", ["se-timm", "ca-official", "eca-timm", "gct"])
def test_timms_efficientnet_takes_a_factory(name):
    """It asks the factory for 8 channels first, and passes an activation."""
    model = timm.create_model("efficientnet_b0", num_classes=3, se_layer=layer(name))
    kinds = {type(block.se).__name__ for stage in model.blocks for block in stage}
    assert kinds == {type(build(name, 64)).__name__}
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 3)


def test_a_network_that_keeps_its_factory_can_be_pickled():
    model = timm.create_model("resnet18", num_classes=3, block_args={"attn_layer": layer("triplet")}).eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))


@pytest.mark.parametrize("name", ["cbam", "ms-cam"])
def test_a_torchvision_block_takes_a_factory(name):
    class WithAttention(BasicBlock):
        attention = staticmethod(layer(name))

        def __init__(self, inplanes, planes, *args, **kwargs):
            super().__init__(inplanes, planes, *args, **kwargs)
            self.bn2 = nn.Sequential(self.bn2, self.attention(planes))

    model = resnet18(num_classes=3)
    model.layer3 = nn.Sequential(
        WithAttention(128, 256, 2, nn.Sequential(nn.Conv2d(128, 256, 1, 2), nn.BatchNorm2d(256))),
        WithAttention(256, 256),
    )
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_module_that_is_too_large_is_refused_before_it_is_made():
    wide = {
        "kind": "gate",
        "squeeze": {"kind": "none"},
        "excite": [{"kind": "project", "out": 65_536}, {"kind": "project"}],
    }
    with pytest.raises(
        SpecError, match=r"would have 8,590,065,664 parameters at 65536 channels; allowed: up to 67,108,864"
    ):
        build(wide, 65_536)
    with pytest.raises(
        SpecError, match=r"would have 512 parameters at 64 channels; allowed: up to 100; .* pass max_param"
    ):
        build("se", 64, max_parameters=100)
