"""A spec at C channels -> an nn.Module; factories for other libraries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from attnspace.errors import SpecError
from attnspace.language.identity import resolve
from attnspace.language.specs import SpecLike, as_block
from attnspace.primitives import Block

__all__ = ["MAX_PARAMETERS", "build", "build_resolved", "layer"]

MAX_PARAMETERS = 2**26


def build(spec: SpecLike, channels: int, *, max_parameters: int = MAX_PARAMETERS) -> nn.Module:
    """The module that a spec describes: plain torch modules that know numbers, not specs.

    Parameters and buffers are created in the order of the published reference, so that the same
    `torch.manual_seed` gives the same initial weights.

    Shape:
        the module maps (N, channels, H, W) to the same shape.

    Raises:
        SpecError: the spec is not valid, not possible at this channel count, or would make a module of more than
            `max_parameters` parameters (256 MiB in float32 unless another number is given).
    """
    return build_resolved(resolve(spec, channels), channels, max_parameters=max_parameters)


def build_resolved(block: Block, channels: int, *, max_parameters: int = MAX_PARAMETERS) -> nn.Module:
    """Build a block that is already resolved at this channel count.

    Raises:
        SpecError: it would make a module of more than `max_parameters` parameters.
    """
    parameters = _parameters(block, channels)
    if parameters > max_parameters:
        raise SpecError(
            f"the block would have {parameters:,} parameters at {channels} channels",
            allowed=f"up to {max_parameters:,}",
            remedy="use a larger reduction or fewer channels, or pass max_parameters",
        )
    return block.build(channels)


@lru_cache(maxsize=1_024)
def _parameters(block: Block, channels: int) -> int:
    """How many parameters a resolved block has, counted before anything is allocated."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in block.build(channels).parameters())


def layer(spec: SpecLike) -> Callable[..., nn.Module]:
    """A factory `f(channels, **kwargs)`, as libraries take it: timm's `block_args=dict(attn_layer=f)`.

    `device` and `dtype` are honoured; what else the caller passes (a ratio, an activation) is the spec's to say.

    Raises:
        SpecError: the spec is not valid.
    """
    return _Factory(as_block(spec))


@dataclass(frozen=True)
class _Factory:
    """What `layer` returns: a class of its own, so that a model that keeps it can be pickled."""

    block: Block

    def __call__(self, channels: int, *args: Any, device: Any = None, dtype: Any = None, **kwargs: Any) -> nn.Module:
        return build(self.block, channels).to(device=device, dtype=dtype)
