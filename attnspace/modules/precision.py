"""Arithmetic in float32 for maps of fewer bits: half precision holds neither large sums nor small inverses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function

__all__ = ["may_widen", "widened"]

_WIDE_UNDER_AUTOCAST = (nn.GroupNorm, nn.Softmax)
"""The modules of torch that return float32 under autocast on a GPU, whatever they are given."""


def widened(x: Tensor) -> Tensor:
    """`x` in float32 if its type has fewer bits, otherwise `x` itself; for squares and for sums of many values."""
    return x.to(_promoted(x.dtype))


def may_widen(*modules: nn.Module) -> bool:
    """Whether one of these modules, or of those in them, may return float32 for a map of fewer bits."""
    parts = (part for module in modules for part in module.modules())
    return any(isinstance(part, _WIDE_UNDER_AUTOCAST) or getattr(type(part), "stays_wide", False) for part in parts)


def _promoted(dtype: Any) -> Any:
    """The type, but float32 for one of fewer bits; while torch.fx traces, the node that will ask torch."""
    if isinstance(dtype, torch.dtype):
        return torch.promote_types(dtype, torch.float32)
    return handle_torch_function(torch.promote_types, (dtype,), dtype, torch.float32)
