"""The text of a file -> the class in it, compared with the module that it was written from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
from torch import nn

from attnspace.errors import ExportError

__all__ = ["OTHER_SHAPES", "seeded", "standard_torch", "verify"]

OTHER_SHAPES = ((3, 9, 7), (5, 16, 12))
"""The batches, heights and widths at which the written file is compared with the module: not those of the trace."""


@contextmanager
def standard_torch() -> Iterator[None]:
    """Work on the CPU in float32; random numbers and defaults of the caller stay as they are."""
    dtype = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make a module after `torch.manual_seed(seed)`."""
    torch.manual_seed(seed)
    return make()


def verify(source: str, name: str, make: Callable[[], nn.Module], channels: int) -> bool:
    """Check that the class `name` in the source computes what `make` makes; return whether it starts with its weights.

    Raises:
        ExportError: the two are not the same.
        Exception: whatever the written file raises.
    """
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102  # our own text
    module = seeded(make, 1)  # written with another seed: a drawn weight that was written as a number shows
    written: nn.Module = seeded(namespace[name], 1)
    ours, theirs = ([*one.named_parameters(), *one.named_buffers()] for one in (module, written))
    if [(key, value.requires_grad) for key, value in ours] != [(key, value.requires_grad) for key, value in theirs]:
        raise ExportError("the written file has other weights")
    same_start = all(torch.equal(first, second) for (_, first), (_, second) in zip(ours, theirs, strict=True))
    _compare(module, written, channels)
    return same_start


def _compare(module: nn.Module, written: nn.Module, channels: int) -> None:
    """Compare function, and buffers after it, at weights that are nowhere zero, in train and eval mode."""
    module, written = module.double(), written.double()
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
    written.load_state_dict(module.state_dict())
    for training, (batch, height, width) in product((True, False), OTHER_SHAPES):
        x_nchw = torch.randn(batch, channels, height, width, dtype=torch.float64)
        with torch.no_grad():
            outputs = module.train(training)(x_nchw), written.train(training)(x_nchw)
        pairs = [outputs, *zip(module.state_dict().values(), written.state_dict().values(), strict=True)]
        if not all(torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12) for ours, theirs in pairs):
            raise ExportError(f"the written file is another function in {'training' if training else 'evaluation'}")
