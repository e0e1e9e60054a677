"""Blocks put into the slots of a model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from attnspace.costs.inputs import InputsLike
from attnspace.documents.validation import did_you_mean, some_of
from attnspace.errors import NOTHING, PlacementError, in_file, within
from attnspace.language.compiler import build_resolved
from attnspace.language.identity import resolve
from attnspace.language.specs import SpecLike, as_block, read_spec
from attnspace.placement.document import DesignDocument
from attnspace.placement.patterns import user_modules
from attnspace.placement.placement import Plan, plan_blocks
from attnspace.placement.sites import ChannelsFirst
from attnspace.placement.slots import Slot, slots
from attnspace.primitives import Block

__all__ = ["insert", "insert_at", "insert_design"]


def insert(model: nn.Module, blocks: Mapping[str, SpecLike], input_shape: InputsLike | None = None) -> nn.Module:
    """Put a block into each named slot of `model`, in place, and return the model.

    Weights are drawn slot by slot in the order of the forward pass. A block that resolves to the identity leaves
    its slot free. Each block takes over the mode, the type and the device of what stands around it.

    The channels of each slot are found with `input_shape`, (C, H, W), or example inputs; by default the model's own.

    Raises:
        PlacementError: there is no such slot, it is taken, or the model is wrapped already.
        SpecError: a block is not possible at its slot's channels; the path begins with the slot's name.
    """
    insert_at(model, blocks, slots(model, input_shape))
    _warn_of_meta(model, blocks)
    return model


def insert_at(model: nn.Module, blocks: Mapping[str, SpecLike], available: Sequence[Slot]) -> nn.Module:
    """Insert blocks as `insert` does, into a model whose free slots are known; blocks of a plan are resolved already.

    Raises:
        PlacementError: there is no such slot, it is taken, or the plan was made for other channels.
        SpecError: a block is not possible at its slot's channels, or too large; the path begins with the slot's name.
    """
    free = {slot.name: slot for slot in available}
    _check_free(model, blocks, free)
    resolved = _resolved(blocks, free)
    for name, block in resolved.items():
        if block.kind != "identity":
            with within(name):
                built = build_resolved(block, free[name].channels)
            if free[name].layout == "nhwc":
                built = ChannelsFirst(built)
            _follow_host(built, model, name)
            model.set_submodule(name, built)
    return model


def _follow_host(block: nn.Module, model: nn.Module, name: str) -> None:
    """Give a block the mode of the site at a name, and the type and device of what stands nearest around it."""
    block.train(model.get_submodule(name).training)
    parts = name.split(".")[:-1]
    for depth in range(len(parts), -1, -1):
        around = model.get_submodule(".".join(parts[:depth]))
        near = next((p for p in around.parameters() if p.is_floating_point()), None)
        if near is not None:
            block.to(near.device, near.dtype)
            return


def _resolved(blocks: Mapping[str, SpecLike], free: Mapping[str, Slot]) -> dict[str, Block]:
    """The blocks resolved at the channels of their slots, in the order of the slots."""
    known: dict[tuple[int, int], Block] = {}
    found: dict[str, Block] = {}
    for name, slot in free.items():
        if name not in blocks:
            continue
        with within(name):
            if isinstance(blocks, Plan):
                found[name] = _planned(blocks, name, slot)
                continue
            key = id(blocks[name]), slot.channels
            if key not in known:
                known[key] = resolve(as_block(blocks[name]), slot.channels)
            found[name] = known[key]
    return found


def _planned(plan: Plan, name: str, slot: Slot) -> Block:
    """The block that a plan has for a slot, already resolved.

    Raises:
        PlacementError: it was planned for another number of channels.
    """
    if plan.channels[name] != slot.channels:
        raise PlacementError(
            f"the block was planned for {plan.channels[name]} channels",
            got=slot.channels,
            remedy="plan it for the slots of this model",
        )
    return plan[name]


def _check_free(model: nn.Module, blocks: Mapping[str, SpecLike], free: Mapping[str, Slot]) -> None:
    """Check that every block is for a slot that exists and is free."""
    if not isinstance(blocks, Mapping):
        raise PlacementError(
            "blocks are given by the names of their slots",
            got=blocks if isinstance(blocks, str) else type(blocks).__name__,
            allowed="a mapping: slot name -> block",
            remedy="attnspace.plan makes one for many slots",
        )
    for name in blocks:
        if name not in free:
            modules = user_modules(model)
            is_module = name in modules
            raise PlacementError(
                f"{name!r} is not a free slot" if is_module else f"no slot is named {name!r}",
                got=type(modules[name]).__name__ if is_module else NOTHING,
                allowed=some_of(free, empty="none, every slot is taken"),
                remedy=None if is_module else did_you_mean(str(name), free),
            )


def insert_design(model: nn.Module, design: str | Path, input_shape: InputsLike | None = None) -> nn.Module:
    """Put a design, as a run writes it to `winner.json`, into a model like the one searched; return the model.

    Args:
        model: changed in place.
        design: a file such as `winner.json`, or the directory of a run that holds one.
        input_shape: (C, H, W), or example inputs; by default the model's own.

    Raises:
        SpecError, PlacementError: the file is no design, or not one that this model can take.
    """
    design = Path(design) / "winner.json" if Path(design).is_dir() else design
    with in_file(str(design)):
        document = DesignDocument.of_file(read_spec(design))
        available = slots(model, input_shape)
        planned = plan_blocks(available, document.placement, document.blocks)
        insert_at(model, planned, available)
    _warn_of_meta(model, planned)
    return model


def _warn_of_meta(model: nn.Module, blocks: Mapping[str, SpecLike]) -> None:
    """Warn of blocks on the meta device: libraries that load weights into such a model leave others undefined."""
    if any(weight.is_meta for name in blocks for weight in model.get_submodule(name).parameters()):
        warnings.warn(
            "blocks were inserted into a model on the meta device, where they have no values: what loads the model's "
            "weights must load theirs too, or call reset_parameters of their modules, which from_pretrained of "
            "transformers does not do; it is safest to insert blocks after weights are loaded",
            stacklevel=3,
        )
