"""The modules that hold a place for a block in a network. They stand in its module tree, and no hook runs them, so that
what replaces modules by others, as fusing and conversions do, keeps the block or fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from torch import Tensor, nn

from attnspace.placement.position import Position

__all__ = ["AFTER", "BEFORE", "ChannelsFirst", "Layout", "Opened", "Site", "appends", "walked"]

AFTER, BEFORE = "attention", "attention_before"
"""The names of a site after or before the module that a slot was opened at."""

HOST = "host"

_MARK = "_is_hf_initialized"
"""What transformers notes on each module by itself while it loads weights."""

Layout = Literal["nchw", "nhwc"]
"""How a map lies in a tensor: (N, C, H, W) or (N, H, W, C)."""


class Site(nn.Identity):
    """A place in a backbone where a block may be inserted; does nothing itself.

    Args:
        stage: 1-based stage of the backbone.
        block: 1-based block in its stage.
        position: the place in the block.
        opened: whether `add_sites` put it there: then its position is a name of the user's, which tells nothing.
        layout: of the map there.
    """

    def __init__(
        self, stage: int, block: int, position: Position, *, opened: bool = False, layout: Layout = "nchw"
    ) -> None:
        super().__init__()
        self.stage = stage
        self.block = block
        self.position = position
        self.opened = opened
        self.layout = layout


class Opened(nn.Module):
    """A module of the user's network in whose place it stands, with a slot after it or before it, or both.

    Its state dict has the names that the module's has, so that weights saved without the slot are loaded with it.
    What is asked of it, such as `stride`, the module answers, and what is set on it is set on the module. But neither
    tensors nor methods are given away: code that replaces a module by what it computes from its weights, or by what
    its own `fuse` returns, would drop the block. On the meta device there is nothing to fuse, and libraries that load
    weights into a model there ask for them.

    Args:
        host: the module.

    Attributes:
        gives_meta: whether tensors on the meta device are given away; not by a copy that stands for a real model.
    """

    def __init__(self, host: nn.Module) -> None:
        super().__init__()
        self.gives_meta = True
        self.host = host
        self.training = host.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if BEFORE in self._modules:
            args = (self._modules[BEFORE](args[0]), *args[1:])  # type: ignore[misc]  # a module
        out = self.host(*args, **kwargs)
        return self._modules[AFTER](out) if AFTER in self._modules else out  # type: ignore[misc]  # a module

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            host = self.__dict__.get("_modules", {}).get(HOST)
            if host is None or name == _MARK:
                raise
        found = getattr(host, name)
        is_tensor = isinstance(found, Tensor) and (name in host._parameters or name in host._buffers)
        if inspect.ismethod(found) or (is_tensor and not (found.is_meta and self.gives_meta)):
            raise AttributeError(
                f"{name!r} of a {type(host).__name__} with an attention slot is asked for from outside: whoever "
                f"replaces the module by what it computes drops the block; do that before slots are opened, or ask "
                f"{HOST!r}"
            )
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        host = self.__dict__.get("_modules", {}).get(HOST)
        is_own = host is None or name in self.__dict__ or name in self._modules or hasattr(nn.Module, name)
        if is_own or name == _MARK:
            super().__setattr__(name, value)
            return
        if name in host._buffers and isinstance(value, nn.Parameter):
            # A library that loads weights and sees no such buffer here takes it for a parameter; what it notes stays.
            buffer = value.detach()
            vars(buffer).update(vars(value))
            value = buffer
        setattr(host, name, value)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The state with the names that it has without slots; the block's names begin with that of its slot."""
        prefix, before = kwargs.get("prefix", ""), set(kwargs.get("destination") or ())
        found = super().state_dict(*args, **kwargs)
        for mapping in (found, getattr(found, "_metadata", {})):
            _renamed(mapping, before, {f"{prefix}{HOST}": prefix.removesuffix("."), f"{prefix}{HOST}.": prefix})
        return found

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        own = tuple(f"{prefix}{name}." for name in self._modules)
        for name in [name for name in state_dict if name.startswith(prefix) and not name.startswith(own)]:
            state_dict[f"{prefix}{HOST}.{name.removeprefix(prefix)}"] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        _load_as_if_not_opened(self.host, local_metadata)


def _load_as_if_not_opened(host: nn.Module, metadata: dict[str, Any]) -> None:
    """Have the module read, when it is loaded next, the version that its state was saved with under its own name."""
    usual = host._load_from_state_dict

    def once(state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any) -> None:
        del vars(host)["_load_from_state_dict"]
        usual(state_dict, prefix, metadata | local_metadata, *args)

    vars(host)["_load_from_state_dict"] = once


def _renamed(mapping: dict[str, Any], before: Collection[str], changes: Mapping[str, str]) -> None:
    """Rename, in place and in order, the keys that were not there before."""
    exact, begins = changes
    for key in [key for key in mapping if key not in before]:
        value = mapping.pop(key)
        if key == exact:
            key = changes[exact]
        elif key.startswith(begins):
            key = changes[begins] + key.removeprefix(begins)
        mapping[key] = value


def appends(module: nn.Module) -> bool:
    """Whether a module runs its children one after another, so that a child that is added runs with them."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def walked(model: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """Every module of a network but itself, once, by the name that it has without slots.

    In the place of an `Opened` its host comes. With each module comes whether it is a site, stands where one was
    opened, or is a part of what stands there.
    """
    seen: set[nn.Module] = set()

    def enter(module: nn.Module, name: str, is_ours: bool) -> Iterator[tuple[str, nn.Module, bool]]:
        inner = module.host if isinstance(module, Opened) else module
        if inner in seen:
            return
        seen.add(inner)
        if name:
            yield name, inner, is_ours
        at = f"{name}." if name else ""
        for last, child in inner.named_children():
            stands = isinstance(child, Site) or (last == AFTER and appends(inner))
            yield from enter(child, at + last, is_ours or stands)
        for side in (AFTER, BEFORE) if isinstance(module, Opened) else ():
            if side in module._modules:
                yield from enter(module.get_submodule(side), at + side, True)

    return enter(model, "", False)


class ChannelsFirst(nn.Module):
    """A block where maps are (N, H, W, C): it sees them as (N, C, H, W).

    Args:
        block: (N, C, H, W) -> (N, C, H, W).

    Shape:
        (N, H, W, C) -> (N, H, W, C)
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x_nhwc: Tensor) -> Tensor:
        return self.block(x_nhwc.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
