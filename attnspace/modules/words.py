"""The words by which a spec chooses what a module computes, apart from torch, so that a spec is read without it."""

from __future__ import annotations

from typing import Literal

__all__ = ["Activation", "Combine", "Comparison", "Merge", "Padding"]

Activation = Literal[
    "gaussian",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "identity",
    "leaky_relu",
    "relu",
    "relu6",
    "sigmoid",
    "sigmoid1p",
    "silu",
    "softmax",
    "tanh",
    "tanh1p",
]
"""`gaussian` is exp(-y^2), `sigmoid1p` 1 + sigmoid(y), `tanh1p` 1 + tanh(y); `leaky_relu` has slope 0.01.
`softmax` runs over the channels, or over the positions where there is one channel."""

Combine = Literal["shared", "stack", "sum", "mean"]
"""How several statistics of one region are combined, see `attnspace.modules.squeeze`."""

Comparison = Literal["std", "rms", "mean_abs"]
"""The measure by which values are standardised, see `attnspace.modules.layers.StandardizeModule`."""

Merge = Literal["logit_sum", "logit_product", "gate_product", "gate_sum", "gate_mean", "gate_max"]
"""How several maps become one gate: before the activation (logit) or after it (gate)."""

Padding = Literal["zeros", "circular"]
"""The padding beyond the ends of the channel axis."""
