"""Random designs from everything that is registered, and what must hold of each."""

import json
import random
from functools import cache

import torch

from attnspace import build, export_python, identity, parse_spec
from attnspace.language.specs import dump_spec
from attnspace.space.filling import drawn
from attnspace.space.space import Space

CHANNELS = 128
"""Enough for a sixteenth of a chunk of a group."""


def design(seed: int) -> dict:
    """A member of `{"$any": "block"}`, drawn by asking each hole: every kind of block as often as another."""
    rng = random.Random(seed)
    return _space().filled(lambda hole: drawn(hole, rng)).data


@cache
def _space() -> Space:
    return Space({"$any": "block"})


def check(data: dict) -> None:
    """It builds, keeps the shape, has finite gradients, survives JSON, and its exported file is the same function."""
    block = parse_spec(data)
    again = parse_spec(json.dumps(dump_spec(block)))
    assert again == block
    assert identity(again, CHANNELS) == identity(block, CHANNELS)
    module = build(block, CHANNELS)
    x = torch.randn(2, CHANNELS, 9, 7, requires_grad=True)
    out = module(x)
    assert out.shape == x.shape
    out.square().mean().backward()
    assert all(torch.isfinite(grad).all() for grad in (x.grad, *(p.grad for p in module.parameters())))
    exported = run(export_python(block, CHANNELS))
    exported.load_state_dict(module.state_dict())
    other = torch.randn(3, CHANNELS, 6, 11)
    with torch.no_grad():
        torch.testing.assert_close(exported.eval()(other), module.eval()(other), rtol=1e-6, atol=1e-6)


def run(source: str) -> torch.nn.Module:
    """What a written file makes."""
    assert "import attnspace" not in source
    assert "from attnspace" not in source
    names: dict = {"__name__": "exported"}
    exec(compile(source, "exported.py", "exec"), names)
    written = [made for made in names.values() if isinstance(made, type) and made.__module__ == "exported"]
    return written[-1]()
