import copy
import json

import pytest
import torch

from attnspace import SpecError, build, cost, export_onnx, export_python, identity, parse_spec, published
from attnspace.language.specs import load_spec
from attnspace.primitives.blocks.rezero import Rezero
from attnspace.space.space import Space
from tests.any_spec import any_spec
from tests.export.blocks import channels_of

ZERO = {"kind": "layers", "layers": [{"kind": "project", "zero_init": "all"}]}
SE = ('{"$published": "se-timm"}', json.dumps(load_spec("se-timm").model_dump(mode="json")))


def rezero(block):
    return {"kind": "rezero", "block": block}


@pytest.mark.parametrize("block", ["se-timm", "cbam-timm", "ca-timm", "gc-timm-add", "scse-max"])
def test_it_begins_as_the_identity_and_becomes_the_block(x, block):
    inner = load_spec(block)
    module = build(rezero(inner.model_dump()), 8).double().eval()
    assert torch.equal(module(x), x)
    with torch.no_grad():
        module.scale.fill_(1)
        assert torch.equal(module(x), module.block(x))
        module.scale.fill_(0.25)
        torch.testing.assert_close(module(x), x + 0.25 * (module.block(x) - x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_anything_finite_is_multiplied_by_nothing(dtype):
    """Also where block(x) - x would overflow."""
    largest = torch.finfo(dtype).max
    x = torch.full((1, 2, 3, 3), -largest, dtype=dtype)
    module = build(rezero({"kind": "layers", "layers": [{"kind": "affine", "scale": -1.0}]}), 2).to(dtype)
    assert torch.equal(module.block(x), -x)
    assert torch.equal(module(x), x)


def test_only_the_number_learns_at_first(x):
    module = build(rezero(load_spec("se-timm").model_dump()), 8).double()
    module(x).square().sum().backward()
    assert module.scale.grad.abs() > 0
    assert all((p.grad == 0).all() for p in module.block.parameters())


def test_it_costs_one_parameter():
    plain, wrapped = cost("se-timm", (16, 4, 4)), cost(rezero(load_spec("se-timm").model_dump()), (16, 4, 4))
    assert (wrapped.params, wrapped.flops) == (plain.params + 1, plain.flops)


def test_around_nothing_and_around_another_it_is_what_is_inside():
    block = load_spec("se-timm").model_dump()
    assert identity(rezero({"kind": "identity"}), 8) == identity({"kind": "identity"}, 8)
    assert identity(rezero(rezero(block)), 8) == identity(rezero(block), 8)
    assert identity(rezero(block), 8) != identity(block, 8)
    assert parse_spec(rezero({"kind": "identity"})).label() == "rezero(identity)"


def test_a_fault_inside_has_its_path():
    with pytest.raises(SpecError, match=r"^block\.excite\.0\.reduction: reduction 16 leaves"):
        build(rezero(load_spec("se").model_dump()), 8)


def test_a_search_tries_it_only_where_it_is_named():
    everything = Space({"$any": "block"})
    assert all(everything.at(i).data["kind"] != "rezero" for i in range(0, everything.size(), everything.size() // 500))
    assert parse_spec(Space({"$any": "rezero"}).at(0).data).kind == "rezero"


@pytest.mark.parametrize("block", ["se", "cbam", "ca"])
def test_it_is_exported(tmp_path, block):
    """Both exports are compared with the module as they are written."""
    spec = rezero(load_spec(block).model_dump())
    torch.manual_seed(0)
    module = build(spec, 32)
    with torch.no_grad():
        module.scale.fill_(0.5)
    names: dict = {}
    exec(export_python(spec, 32), names)
    written = names["Block"]()
    written.load_state_dict(module.state_dict())
    x = torch.randn(2, 32, 6, 5)
    torch.testing.assert_close(written.eval()(x), module.eval()(x))
    assert export_onnx(spec, 32, tmp_path / "block.onnx", state_dict=module.state_dict()).is_file()


def test_it_keeps_the_type_of_the_map():
    module = build(rezero({"kind": "layers", "layers": [{"kind": "act", "fn": "relu"}]}), 4)
    assert module(torch.randn(2, 4, 3, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_copies_do_not_share_it(x):
    module = build(rezero(load_spec("se-timm").model_dump()), 8).double()
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.scale.fill_(1)
    assert torch.equal(module(x), x)
    assert not torch.equal(other(x), x)


def slope(block, channels: int) -> float:
    """The largest gradient of any parameter at the first step."""
    torch.manual_seed(0)
    module = build(block, channels)
    out = module(torch.randn(3, channels, 9, 7))
    if out.requires_grad:
        (out * torch.randn_like(out)).sum().backward()
    return max((float(p.grad.abs().max()) for p in module.parameters() if p.grad is not None), default=0.0)


@pytest.mark.parametrize("name", published())
def test_every_published_block_learns_when_it_begins_as_the_identity(name):
    channels = channels_of(name)
    module = build(rezero(load_spec(name).model_dump()), channels)
    x = torch.randn(2, channels, 9, 7)
    torch.testing.assert_close(module(x), x)
    if any(True for _ in module.parameters()):
        assert slope(rezero(load_spec(name).model_dump()), channels) > 1e-4


@pytest.mark.parametrize("start", range(0, 1_500, 100))
def test_any_block_that_learns_also_learns_when_it_begins_as_the_identity(start):
    for seed in range(start, start + 100):
        try:
            block = parse_spec(any_spec(seed))
            wrapped = Rezero(block=block).resolve(8)
        except SpecError:
            continue
        assert wrapped.at_first == "identity"
        assert slope(wrapped, 8) > 1e-4 or slope(block, 8) < 1e-4, any_spec(seed)
        bare = block.resolve(8)
        if bare.at_first:
            x = torch.randn(3, 8, 9, 7)
            torch.testing.assert_close(build(bare, 8)(x), x if bare.at_first == "identity" else torch.zeros_like(x))


@pytest.mark.parametrize(
    "block",
    [
        {"kind": "layers", "layers": [{"kind": "affine"}]},
        {"kind": "gate", "squeeze": {"kind": "none"}, "excite": [{"kind": "affine", "scale": 0, "shift": 1}]}
        | {"activation": "identity"},
        "gct",
        "grn",
        "gc",
        {"kind": "residual", "block": {"kind": "sequential", "blocks": [ZERO, {"$published": "se-timm"}]}},
        {"kind": "residual", "block": {"kind": "layers", "layers": [*ZERO["layers"], {"kind": "act", "fn": "gelu"}]}},
        {"kind": "residual", "block": {"kind": "layers", "layers": [*ZERO["layers"], {"kind": "norm"}]}},
        {"kind": "gate", "squeeze": {"kind": "global", "stats": ["avg"]}, "activation": "tanh1p"}
        | {"excite": [{"kind": "fc", "reduction": 4, "zero_init": "all"}, {"kind": "act", "fn": "tanh"}]},
        {"kind": "gate", "squeeze": {"kind": "directional", "stats": ["avg"]}, "activation": "identity"}
        | {"excite": [{"kind": "affine", "scale": 0, "shift": 1}], "merge": "gate_product"},
        {"kind": "parallel", "merge": "sum", "blocks": [ZERO, {"kind": "layers", "layers": [{"kind": "affine"}]}]},
    ],
)
def test_around_what_begins_as_the_identity_it_is_not_needed(block):
    inner = load_spec(block).model_dump() if isinstance(block, str) else json.loads(json.dumps(block).replace(*SE))
    x = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(build(inner, 16)(x), x)
    assert slope(inner, 16) > 1e-4
    assert identity(rezero(inner), 16) == identity(inner, 16)
