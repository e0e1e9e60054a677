"""A network whose costs are measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TypeVar

from torch import nn

from attnspace.costs.latency import Latency
from attnspace.costs.network import Cost, network_cost

__all__ = ["Subject"]

Found = TypeVar("Found")


class Subject:
    """A network whose costs are measured, each once and only when it is asked for.

    Args:
        input_shape: (C, H, W) of its input.
        on_meta: gives the network on the meta device, for as long as the context lasts.
        timed: measures how long a forward pass takes.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        on_meta: Callable[[], AbstractContextManager[nn.Module]],
        timed: Callable[[], Latency],
    ) -> None:
        self.input_shape = input_shape
        self._on_meta = on_meta
        self._timed = timed

    def look(self, at: Callable[[nn.Module], Found]) -> Found:
        """Call a function with the network on the meta device, where tensors have shapes and no data."""
        with self._on_meta() as model:
            return at(model)

    @cached_property
    def cost(self) -> Cost:
        """Parameters, FLOPs and activation bytes."""
        return self.look(lambda model: network_cost(model, self.input_shape))

    @cached_property
    def latency(self) -> Latency:
        """Time of a forward pass on the device in use."""
        return self._timed()
