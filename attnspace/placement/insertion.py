"""Blocks put into the slots of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from attnspace.documents.validation import did_you_mean, some_of, validate
from attnspace.errors import NOTHING, PlacementError, in_file, within
from attnspace.language.compiler import build
from attnspace.language.identity import resolve
from attnspace.language.specs import SpecLike, as_block, read_spec
from attnspace.placement.placement import Placement, plan
from attnspace.placement.slots import Slot, shape_of, slots
from attnspace.primitives import Block

__all__ = ["insert", "insert_at", "insert_design"]


def insert(
    model: nn.Module, blocks: Mapping[str, SpecLike], input_shape: tuple[int, int, int] | None = None
) -> nn.Module:
    """Put a block into each named slot of `model`, in place, and return the model.

    Weights are drawn slot by slot in the order of the forward pass. A block that resolves to the identity leaves
    its slot free.

    The channels of each slot are found with `input_shape`, (C, H, W); by default the model's own `input_shape`.

    Raises:
        PlacementError: no such slot, or it is taken.
        SpecError: a block is not possible at its slot's channels; the path begins with the slot's name.
    """
    return insert_at(model, blocks, slots(model, shape_of(model, input_shape)))


def insert_at(model: nn.Module, blocks: Mapping[str, SpecLike], available: Sequence[Slot]) -> nn.Module:
    """`insert` for a model whose free slots are known."""
    free = {slot.name: slot for slot in available}
    modules = dict(model.named_modules())
    for name in blocks:
        if name not in free:
            is_module = name in modules
            raise PlacementError(
                f"{name!r} is not a free slot" if is_module else f"no slot is named {name!r}",
                got=type(modules[name]).__name__ if is_module else NOTHING,
                allowed=some_of(free, empty="none, every slot is taken"),
                remedy=None if is_module else did_you_mean(name, free),
            )
    resolved: dict[str, Block] = {}
    for name in free:
        if name in blocks:
            with within(name):
                resolved[name] = resolve(as_block(blocks[name]), free[name].channels)
    for name, block in resolved.items():
        if block.kind != "identity":
            model.set_submodule(name, build(block, free[name].channels))
    return model


def insert_design(model: nn.Module, design: str | Path, input_shape: tuple[int, int, int] | None = None) -> nn.Module:
    """Put a design, as a search writes it to `winner.json`, into a model like the one searched; return the model.

    Raises:
        SpecError, PlacementError: the file is no design, or not one that this model can take.
    """
    with in_file(str(design)):
        found = read_spec(design)
        with within("placement"):
            placement = validate(Placement, found.placement or {}, PlacementError)
        shape = shape_of(model, input_shape)
        available = slots(model, shape)
        return insert_at(model, plan(available, placement, found.blocks), available)
