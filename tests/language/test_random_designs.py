import pytest
import torch

from attnspace import SpecError, build, identity, parse_spec
from attnspace.language.specs import dump_spec
from tests.any_spec import any_spec
from tests.random_designs import check, design


@pytest.mark.parametrize("seed", range(150))
def test_any_design_builds_keeps_its_shape_trains_and_is_exported(seed):
    """Five thousand of them: python -m tests.benchmarks.language."""
    check(design(seed))


@pytest.mark.parametrize("start", range(0, 6_000, 200))
def test_any_spec_is_refused_or_builds_runs_and_resolves_once(start):
    """The whole language: what resolves runs, at another size too, and its resolved form is its last."""
    possible = 0
    for seed in range(start, start + 200):
        data = any_spec(seed)
        try:
            block = parse_spec(data)
            resolved = block.resolve(8)
        except SpecError:
            continue
        possible += 1
        assert resolved.resolve(8) == resolved, data
        assert parse_spec(dump_spec(block)) == block
        assert identity(dump_spec(resolved), 8) == identity(block, 8)
        assert block.label()
        assert block._repr_html_().startswith("<svg")
        module = build(block, 8)
        for size in ((6, 5), (9, 4)):
            out = module(torch.randn(2, 8, *size))
            assert out.shape == (2, 8, *size), data
    assert possible > 20
