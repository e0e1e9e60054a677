"""A network whose costs are measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TypeVar

from torch import nn

from attnspace.costs.latency import Latency
from attnspace.costs.network import Cost, network_cost
from attnspace.costs.probe import Probe

__all__ = ["Subject"]

Found = TypeVar("Found")


class Subject:
    """A network whose costs are measured, each once and only when it is asked for.

    Args:
        probe: gives a copy of the network, for as long as the context lasts.
        timed: measures how long a forward pass takes.
    """

    def __init__(
        self,
        probe: Callable[[], AbstractContextManager[Probe]],
        timed: Callable[[], Latency],
    ) -> None:
        self._probe = probe
        self._timed = timed

    def look(self, at: Callable[[nn.Module], Found]) -> Found:
        """Call a function with a copy of the network: on the meta device, where tensors have shapes and no data; with
        data where the network runs only with them.
        """
        with self._probe() as probe:
            return at(probe.model)

    @cached_property
    def cost(self) -> Cost:
        """Parameters, FLOPs and activation bytes."""
        with self._probe() as probe:
            return network_cost(probe)

    @cached_property
    def latency(self) -> Latency:
        """Time of a forward pass on the device in use."""
        return self._timed()
