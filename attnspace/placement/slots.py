"""The named places of a backbone where a block may stand."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from attnspace.costs.meta import watched_on_meta
from attnspace.errors import PlacementError
from attnspace.placement.position import Position

__all__ = ["Site", "Slot", "shape_of", "slots"]


class Site(nn.Identity):
    """A place in a backbone where a block may be inserted; does nothing itself.

    Args:
        stage: 1-based stage of the backbone.
        block: 1-based block in its stage.
        position: the place in the block.
        opened: whether `add_sites` put it there: then its position is a name of the user's, which tells nothing.
    """

    def __init__(self, stage: int, block: int, position: Position, *, opened: bool = False) -> None:
        super().__init__()
        self.stage = stage
        self.block = block
        self.position = position
        self.opened = opened


@dataclass(frozen=True)
class Slot:
    """A free place in one model.

    Attributes:
        name: the path of the submodule that an inserted block replaces.
        channels: C of the map there.
        resolution: H and W of the map there.
        stage: 1-based stage of the backbone.
        block: 1-based block in its stage.
        position: the place in the block.
        same_as: the first slot at which a block does the same: `pre` may see what the block before it left at
            `post_add`, and `post_add` what was left at `residual` where nothing is added.
    """

    name: str
    channels: int
    resolution: tuple[int, int]
    stage: int
    block: int
    position: Position
    same_as: str


_FOLLOWING = (("post_add", "pre"), ("residual", "post_add"))
"""Pairs of positions that are one place wherever the second is given the very map that the first one leaves."""


def slots(model: nn.Module, input_shape: tuple[int, int, int]) -> list[Slot]:
    """The free slots of a model for inputs of (C, H, W), in the order of the forward pass.

    Channels and resolutions are read off a run on the meta device.

    Raises:
        PlacementError: the model cannot be run on the meta device.
    """
    sites = {module: name for name, module in model.named_modules() if isinstance(module, Site)}
    found: list[Slot] = []
    left: dict[str, Tensor] = {}

    def note(site: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(site, Site)
        _, channels, height, width = args[0].shape
        before = found[-1] if found else None
        follows = before and not site.opened and (before.position, site.position) in _FOLLOWING
        first = before.same_as if before and follows and left["map"] is args[0] else sites[site]
        found.append(Slot(sites[site], channels, (height, width), site.stage, site.block, site.position, first))
        left["map"] = args[0]

    watched_on_meta(model, input_shape, [site.register_forward_pre_hook(note) for site in sites])
    return found


def shape_of(model: nn.Module, input_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """The input shape given, or else the model's own `input_shape`.

    Raises:
        PlacementError: none is given and the model has none.
    """
    shape = input_shape or getattr(model, "input_shape", None)
    if shape is None:
        raise PlacementError("the input shape of this model is not known", remedy="pass input_shape=(C, H, W)")
    return shape
