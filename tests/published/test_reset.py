"""Every module sets its own initial values again, for libraries that build on the meta device and load a part."""

import math

import pytest
import torch
from torch import nn

from attnspace import build, load_spec, parse_spec, published
from attnspace.language.identity import usual_channels

REZERO = {"kind": "rezero", "block": load_spec("se").model_dump()}
ZEROS = {
    "kind": "gate",
    "squeeze": {"kind": "global", "stats": ["avg"]},
    "excite": [{"kind": "fc", "zero_init": "all"}],
}
OTHERS = {"rezero": REZERO, "zeros": ZEROS}


def seeded(spec, channels: int) -> nn.Module:
    torch.manual_seed(3)
    return build(spec, channels)


def reset(module: nn.Module) -> nn.Module:
    """The module with memory's garbage in it, then reset in the order of its modules."""
    module.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.fill_(math.nan if tensor.is_floating_point() else 99)
    torch.manual_seed(3)
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return module


@pytest.mark.parametrize("name", [*published(), *OTHERS])
def test_a_block_built_on_meta_and_reset_is_the_block_that_the_seed_gives(name):
    spec = OTHERS.get(name, name)
    channels = usual_channels(parse_spec(spec) if name in OTHERS else load_spec(name))
    with torch.device("meta"):
        late = build(spec, channels)
    assert all(tensor.is_meta for tensor in (*late.parameters(), *late.buffers()))
    expected, found = seeded(spec, channels), reset(late)
    for theirs, ours in (
        (expected.named_parameters(), found.named_parameters()),
        (expected.named_buffers(), found.named_buffers()),
    ):
        theirs, ours = dict(theirs), dict(ours)
        assert theirs.keys() == ours.keys()
        assert [key for key, value in theirs.items() if not torch.equal(value, ours[key])] == []
