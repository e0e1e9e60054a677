"""Sees to it that inserted blocks run, whatever is done to the network after they were inserted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from attnspace.errors import PlacementError

__all__ = ["watch_blocks"]


class _Watch:
    """What has run of one network. A copy of the network has one of its own, and pickles keep it."""

    def __init__(self, names: Iterable[str]) -> None:
        self.waiting = set(names)
        self.is_done = False


class _Ran:
    """A hook of a block, which notes that it ran."""

    def __init__(self, watch: _Watch, name: str) -> None:
        self.watch = watch
        self.name = name

    def __call__(self, module: nn.Module, args: Any, out: Any) -> None:
        if not (torch.compiler.is_compiling() or self.watch.is_done):
            self.watch.waiting.discard(self.name)


class _Complete:
    """A hook of the network, which after its first run raises an error if a block was left out."""

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch

    def __call__(self, module: nn.Module, args: Any, out: Any) -> None:
        if torch.compiler.is_compiling() or self.watch.is_done:
            return
        if self.watch.waiting:
            name = min(self.watch.waiting)
            many = len(self.watch.waiting)
            raise PlacementError(
                f"the block at {name!r} did not run"
                + (f", nor did {many - 1} others" if many > 1 else "")
                + ": what was done to the network after blocks were inserted dropped it",
                remedy="do it before: in the function that makes the backbone",
            )
        self.watch.is_done = True


def watch_blocks(model: nn.Module, names: Iterable[str]) -> None:
    """Have the first forward pass of a model fail if an inserted block does not run in it.

    Args:
        model: with blocks in it.
        names: of the slots that they stand in.
    """
    watch = _Watch(names)
    if not watch.waiting:
        return
    for name in sorted(watch.waiting):
        model.get_submodule(name).register_forward_hook(_Ran(watch, name))
    model.register_forward_hook(_Complete(watch))
