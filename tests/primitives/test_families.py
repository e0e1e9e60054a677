import json
from typing import Annotated, Literal

import pytest
import torch
from pydantic import Field
from torch import nn

from attnspace import build, load_spec, parse_spec
from attnspace.errors import SpecError
from attnspace.primitives import Block, Layer, Node, Statistic, families, grid_of
from attnspace.primitives import node as node_module
from attnspace.space import Space
from attnspace.spec import dump_spec, published


def members() -> list[type[Node]]:
    return [member for family in families().values() for member in family.members.values()]


@pytest.mark.parametrize("member", members(), ids=lambda m: m.__name__)
def test_every_primitive_says_what_it_is(member):
    assert member.__doc__
    assert member.model_fields["kind"].default
    assert member.__module__.rsplit(".", 1)[-1].removesuffix("_") == member.model_fields["kind"].default


@pytest.mark.parametrize("member", members(), ids=lambda m: m.__name__)
def test_every_grid_value_is_valid(member):
    base = {"global": {"stats": ["avg"]}, "channel": {"stats": ["avg"]}, "directional": {"stats": ["avg"]}}
    for field in member.model_fields:
        for value in grid_of(member, field):
            kind = member.model_fields["kind"].default
            required = {
                "gate": {"squeeze": {"kind": "none"}},
                **{key: {"blocks": [{"kind": "identity"}]} for key in ("sequential", "parallel", "split")},
                **{key: {"block": {"kind": "identity"}} for key in ("residual", "swap")},
                **base,
            }.get(kind, {})
            assert member.model_validate_json(json.dumps({"kind": kind, **required, field: value}))


@pytest.mark.parametrize("name", published())
def test_json_round_trip(name):
    block = load_spec(name)
    assert parse_spec(dump_spec(block)) == block
    assert parse_spec(json.dumps(dump_spec(block))) == block


@pytest.mark.parametrize("name", published())
def test_resolving_twice_changes_nothing(name):
    resolved = load_spec(name).resolve(128)
    assert resolved.resolve(128) == resolved


ANY_GATE = Space({"$any": "gate"})


@pytest.mark.parametrize("index", range(0, ANY_GATE.size(), max(1, ANY_GATE.size() // 150)))
def test_any_gate_builds_keeps_the_shape_and_has_gradients(index):
    block = parse_spec(ANY_GATE.at(index).data)
    torch.manual_seed(0)
    module = build(block, 16)
    x = torch.randn(2, 16, 6, 9, requires_grad=True)
    out = module(x)
    out.square().sum().backward()
    assert out.shape == x.shape
    assert torch.isfinite(x.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())
    assert parse_spec(dump_spec(block)) == block


@pytest.fixture
def plug_in():
    """Primitives declared by a test, forgotten again afterwards."""
    before = {name: dict(family.members) for name, family in families().items()}
    yield
    for name, family in families().items():
        family.members = before[name]
    node_module._registry.stale = True


def test_a_statistic_and_a_layer_declared_elsewhere_work_everywhere_at_once(plug_in):
    class SmallestModule(nn.Module):
        def __init__(self, dims):
            super().__init__()
            self.dims = dims

        def forward(self, x):
            return x.amin(self.dims, keepdim=True)

    class Smallest(Statistic):
        """The minimum over the region."""

        kind: Literal["smallest"] = "smallest"

        def build(self, channels, dims):
            return SmallestModule(dims)

    class Times(Layer):
        """Multiplies by a number."""

        kind: Literal["times"] = "times"
        factor: Annotated[float, Field(gt=0)] = 2.0

        def build(self, d):
            module = nn.Conv2d(d.maps, d.maps, 1, groups=d.maps, bias=False)
            nn.init.constant_(module.weight, self.factor)
            return module

    data = {
        "kind": "gate",
        "squeeze": {"kind": "global", "stats": ["smallest"]},
        "excite": [{"kind": "times", "factor": 3}],
        "activation": "identity",
    }
    block = parse_spec(data)
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(build(block, 4)(x), x * 3 * x.amin((2, 3), keepdim=True))
    assert dump_spec(block) == data
    labels = [str(hole.labels) for hole in Space({"$any": "gate"}).holes()]
    assert any("smallest" in text for text in labels)
    assert any("times" in text for text in labels)
    with pytest.raises(SpecError, match="factor"):
        parse_spec({**data, "excite": [{"kind": "times", "factor": 0}]})


def test_a_kind_is_declared_once():
    with pytest.raises(TypeError, match="'identity' is already"):

        class Identity(Block):
            kind: Literal["identity"] = "identity"
