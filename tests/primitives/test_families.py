import importlib
import json
import shutil
import sys
from typing import Literal

import pytest
import torch
from jsonschema import Draft202012Validator

import attnspace.language.specs as spec_module
from attnspace import build, cost, export_python, identity, load_spec, parse_spec
from attnspace.cli.tables import primitives_table
from attnspace.errors import SpecError
from attnspace.language.catalogue import markdown
from attnspace.language.specs import dump_spec, published
from attnspace.primitives import Block, grid_of
from attnspace.primitives import node as node_module
from attnspace.primitives.node import Node, families
from attnspace.schemas import spec_schema
from attnspace.space.space import Space


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


PLUG_IN = '''
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from attnspace.primitives import Layer, Statistic


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
    """Multiplies each channel by a number."""

    kind: Literal["times"] = "times"
    factor: Annotated[float, Field(gt=0, description="What it begins with.")] = 2.0

    def build(self, d):
        module = nn.Conv2d(d.maps, d.maps, 1, groups=d.maps, bias=False)
        nn.init.constant_(module.weight, self.factor)
        return module
'''


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """One file with a statistic and a layer, imported; forgotten again afterwards."""
    before = {name: dict(family.members) for name, family in families().items()}
    (tmp_path / "my_primitives.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("my_primitives")
    yield
    del sys.modules["my_primitives"]
    for name, family in families().items():
        family.members = before[name]
    node_module._REGISTRY.stale = True


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize("squeeze", ["global", "channel", "directional"])
def test_a_statistic_and_a_layer_in_a_file_of_their_own_work_everywhere_at_once(squeeze):
    data = {
        "kind": "gate",
        "squeeze": {"kind": squeeze, "stats": ["smallest", "avg"], "combine": "sum"},
        "excite": [{"kind": "times", "factor": 3.0}],
    }
    block = parse_spec(data)
    assert dump_spec(block) == data
    resolved = block.resolve(8)
    assert resolved.resolve(8) == resolved
    assert identity(data, 8) != identity({**data, "excite": [{"kind": "times", "factor": 4.0}]}, 8)
    module = build(data, 8)
    x = torch.randn(2, 8, 5, 7, requires_grad=True)
    module(x).square().sum().backward()
    assert all(torch.isfinite(g).all() for g in (x.grad, *(p.grad for p in module.parameters())))
    assert cost(data, (8, 5, 7)).params == sum(p.numel() for p in module.parameters())
    assert "smallest" in block._repr_html_()
    assert "amin" in export_python(data, 8)
    Draft202012Validator(spec_schema()).validate(data)
    with pytest.raises(SpecError, match=r"excite\.0\.factor: should be more than 0"):
        parse_spec({**data, "excite": [{"kind": "times", "factor": 0}]})


@pytest.fixture
def used_branch():
    """Branches are written by themselves, which builds their model, before another member is declared."""
    squeezes = ({"kind": "global", "stats": ["avg"]}, {"kind": "none"})
    return identity({"kind": "gate", "branches": [{"squeeze": squeeze} for squeeze in squeezes]})


@pytest.mark.usefixtures("used_branch", "plug_in")
def test_a_layer_in_a_file_of_its_own_works_in_a_branch_of_a_gate():
    branch = {"squeeze": {"kind": "global", "stats": ["smallest"]}, "excite": [{"kind": "times", "factor": 3.0}]}
    data = {"kind": "gate", "branches": [branch, {"squeeze": {"kind": "none"}}], "activation": "identity"}
    block = parse_spec(data)
    assert dump_spec(block) == data
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(build(data, 4)(x), x * (3 * x.amin((2, 3), keepdim=True) + x))
    Draft202012Validator(spec_schema()).validate(data)
    with pytest.raises(SpecError, match=r"branches\.0\.excite\.0\.factor: should be more than 0"):
        parse_spec({**data, "branches": [{**branch, "excite": [{"kind": "times", "factor": 0}]}]})


@pytest.mark.usefixtures("plug_in")
def test_what_a_plug_in_declares_is_searched_and_listed():
    labels = [str(hole.labels) for hole in Space({"$any": "gate"}).holes()]
    assert any("smallest" in text for text in labels)
    assert any("times" in text for text in labels)
    listed = "\n".join(map(str, primitives_table()))
    assert "Multiplies each channel by a number." in listed
    assert "factor = 2.0" in listed
    x = torch.randn(2, 4, 3, 3)
    gate = {"kind": "gate", "squeeze": {"kind": "global", "stats": ["smallest"]}, "activation": "identity"}
    torch.testing.assert_close(build(gate, 4)(x), x * x.amin((2, 3), keepdim=True))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The catalogue in another place."""
    home = tmp_path / "published"
    shutil.copytree(spec_module._PUBLISHED, home)
    monkeypatch.setattr(spec_module, "_PUBLISHED", home)
    spec_module._read_published.cache_clear()
    yield home
    spec_module._read_published.cache_clear()


def test_a_published_block_is_one_file(folder):
    gate = {"kind": "gate", "squeeze": {"kind": "global", "stats": ["std"]}, "excite": [{"kind": "fc", "reduction": 4}]}
    about = {"name": "mine", "doc": "SE of deviations.", "source": "none", "formula": "x g", "oracle": "formula"}
    (folder / "mine.json").write_text(json.dumps({**about, **gate}))
    assert "mine" in published()
    assert load_spec("mine") == parse_spec(gate)
    assert build("mine", 16)(torch.randn(2, 16, 4, 4)).shape == (2, 16, 4, 4)
    assert "| [`mine`](mine.json) | SE of deviations. | x g | 2,128 | formula |" in markdown()
    assert Space({"$published": "mine"}).at(0).data == gate
    assert "class Mine(nn.Module):" in export_python("mine", 16)


def test_a_kind_is_declared_once():
    with pytest.raises(TypeError, match="'identity' is already"):

        class Identity(Block):
            kind: Literal["identity"] = "identity"
