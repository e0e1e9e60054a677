import copy
import pickle

import pytest
import torch

from attnspace import build, layer, published

X = torch.randn(2, 128, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", published())
def test_a_module_can_be_pickled_and_copied_and_knows_no_spec(name):
    module = build(name, 128).eval()
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert torch.equal(other(X), module(X))
    homes = {type(value).__module__ for part in module.modules() for value in vars(part).values()}
    assert not [home for home in homes if "pydantic" in home]


@pytest.mark.parametrize("name", published())
def test_a_module_compiles_to_one_graph(name):
    module = build(name, 128).eval()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(X), module(X))
    torch._dynamo.reset()


def test_a_factory_takes_what_libraries_pass():
    make = layer("se")
    module = make(64, rd_ratio=0.25, act_layer=torch.nn.SiLU, device="cpu", dtype=torch.float64)
    assert {p.dtype for p in module.parameters()} == {torch.float64}
    assert next(make(128).parameters()).shape[0] == 8


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend 'cuda' is not known; allowed: 'eager'"):
        build("se", 64, backend="cuda")
