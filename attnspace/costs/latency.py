"""How long a forward pass takes on the device in use: warmed up, the median of many, with its spread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from attnspace.costs.inputs import InputsLike, inputs_of
from attnspace.costs.probe import copied
from attnspace.errors import SpecError

__all__ = ["Latency", "latency"]


@dataclass(frozen=True)
class Latency:
    """Time of one forward pass in evaluation mode.

    Attributes:
        median_ms, low_ms, high_ms: median and quartiles over the runs, in milliseconds for the whole batch.
        runs: how many forward passes were timed.
        batch_size: samples in each of them.
        device: the device that they ran on.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    runs: int
    batch_size: int
    device: str


@torch.inference_mode()
def latency(
    model: nn.Module, input_shape: InputsLike, *, batch_size: int = 1, runs: int = 30, warmup: int = 5
) -> Latency:
    """Time a copy of `model` on the device of its parameters, for inputs of (C, H, W) or example inputs.

    Raises:
        SpecError: fewer than one run or sample.
    """
    if runs < 1 or batch_size < 1 or warmup < 0:
        raise SpecError("a latency needs at least one run and one sample", got=[runs, batch_size])
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    args, kwargs = inputs_of(model, input_shape).make(batch_size, like)
    call = partial(copied(model).eval(), *args, **kwargs)
    times_ms = torch.tensor([_timed(call, like.device) for _ in range(warmup + runs)][warmup:], dtype=torch.float64)
    low, median, high = (float(q) for q in times_ms.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)))
    return Latency(median, low, high, runs, batch_size, str(like.device))


def _timed(call: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) * 1e3
