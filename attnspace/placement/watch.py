"""Sees to it that inserted blocks run, whatever is done to the network after they were inserted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from attnspace.errors import PlacementError

__all__ = ["check_blocks", "watch_blocks"]

PATIENCE = 50
"""Runs of the network within which each block has to run once: layers may be dropped at random in training."""


class _Watch:
    """What has run of one network. A copy of the network has one of its own, and pickles keep it."""

    def __init__(self, names: Iterable[str]) -> None:
        self.waiting = set(names)
        self.runs = 0


class _Ran:
    """A hook of a block, which notes that it ran."""

    def __init__(self, watch: _Watch, name: str) -> None:
        self.watch = watch
        self.name = name

    def __call__(self, module: nn.Module, args: Any, out: Any) -> None:
        if self.watch.waiting and not torch.compiler.is_compiling():
            self.watch.waiting.discard(self.name)


class _Complete:
    """A hook of the network, which raises an error if a block is not in it any more, or does not run in it."""

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch

    def __call__(self, module: nn.Module, args: Any, out: Any) -> None:
        if not self.watch.waiting or torch.compiler.is_compiling():
            return
        self.watch.runs += 1
        check_blocks(module, self.watch.waiting)
        if self.watch.runs == PATIENCE:
            raise PlacementError(
                f"the block at {min(self.watch.waiting)!r} did not run in the first {PATIENCE} runs of the network",
                remedy="choose a position that is a part of every run",
            )


def watch_blocks(model: nn.Module, names: Iterable[str]) -> None:
    """Have a model fail when it runs, and an inserted block is not in it any more or does not run.

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


def check_blocks(model: nn.Module, names: Iterable[str]) -> None:
    """Check that the blocks that are watched at some names are still in the model.

    Raises:
        PlacementError: one is not.
    """
    lost = sorted(name for name in names if not _is_watched(model, name))
    if lost:
        many = f", nor are {len(lost) - 1} others" if len(lost) > 1 else ""
        raise PlacementError(
            f"the block at {lost[0]!r} is not in the network any more{many}: what was done to it after blocks were "
            "inserted dropped them",
            remedy="do it before: in the function that makes the backbone",
        )


def _is_watched(model: nn.Module, name: str) -> bool:
    try:
        found = model.get_submodule(name)
    except AttributeError:
        return False
    return any(isinstance(hook, _Ran) for hook in found._forward_hooks.values())
