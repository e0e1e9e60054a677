"""The named places of a backbone where a block may stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from attnspace.costs.inputs import Inputs, InputsLike, inputs_of
from attnspace.costs.probe import Probe, look
from attnspace.errors import PlacementError
from attnspace.placement.position import Position
from attnspace.placement.sites import Layout, Site, walked

__all__ = ["Slot", "named_sites", "refuse_wrapped", "slots", "slots_of"]


@dataclass(frozen=True)
class Slot:
    """A free place in one model.

    Attributes:
        name: the path of the submodule that an inserted block replaces, as `get_submodule` takes it.
        channels: C of the map there.
        resolution: H and W of the map there.
        stage: 1-based stage of the backbone.
        block: 1-based block in its stage.
        position: the place in the block.
        same_as: the first slot at which a block does the same: `pre` may see what the block before it left at
            `post_add`, and `post_add` what was left at `residual` where nothing is added.
        layout: how the map lies there.
    """

    name: str
    channels: int
    resolution: tuple[int, int]
    stage: int
    block: int
    position: Position
    same_as: str
    layout: Layout = "nchw"


_FOLLOWING = (("post_add", "pre"), ("residual", "post_add"))
"""Pairs of positions that are one place wherever the second is given the very map that the first one leaves."""


def slots(model: nn.Module, input_shape: InputsLike | None = None) -> list[Slot]:
    """The free slots of a model for inputs of (C, H, W), in the order of the forward pass.

    Channels and resolutions are read off a run of a copy: on the meta device, or where the model cannot run there for
    real.

    Args:
        model: stays as it is.
        input_shape: (C, H, W), or example inputs; by default the model's own `input_shape` or `example_inputs`.

    Raises:
        PlacementError: the model cannot be run, is wrapped already, or has a site whose map is no (N, C, H, W).
    """
    refuse_wrapped(model)
    return slots_of(model, inputs_of(model, input_shape))


def slots_of(model: nn.Module, inputs: Inputs) -> list[Slot]:
    """The free slots as `slots` gives them, for inputs that are known."""
    return look(model, inputs, _slots)


def _slots(probe: Probe) -> list[Slot]:
    sites = named_sites(probe.model)
    found: dict[str, Slot] = {}
    last: tuple[Slot, Tensor] | None = None

    def note(site: nn.Module, args: tuple[Tensor, ...]) -> None:
        nonlocal last
        assert isinstance(site, Site)
        name = sites[site]
        if name in found:
            raise PlacementError(f"{name!r} runs twice in a forward pass, and one block would stand in both places")
        channels, height, width = _sizes(args[0], site, name)
        follows = last and not site.opened and (last[0].position, site.position) in _FOLLOWING
        first = last[0].same_as if last and follows and last[1] is args[0] else name
        place = (channels, (height, width), site.stage, site.block, site.position)
        found[name] = Slot(name, *place, first, site.layout)
        last = found[name], args[0]

    hooks = [site.register_forward_pre_hook(note) for site in sites]
    probe.run()
    for hook in hooks:
        hook.remove()
    doubtful = {site: found[name] for site, name in sites.items() if name in found and _is_doubtful(site, found[name])}
    if doubtful and probe.inputs.image is not None:
        _check_channels(probe, doubtful)
    return list(found.values())


def named_sites(model: nn.Module) -> dict[Site, str]:
    """The free sites of a model, and their names; modules have the names there that they have without slots."""
    return {module: name for name, module, _ in walked(model) if isinstance(module, Site)}


def _is_doubtful(site: Site, slot: Slot) -> bool:
    """Whether a map of a site that a user made looks as if its channels came last."""
    return not site.opened and site.layout == "nchw" and slot.channels == slot.resolution[0] != slot.resolution[1]


def _check_channels(probe: Probe, doubtful: Mapping[Site, Slot]) -> None:
    """Check that the channels of sites do not change with the size of the image.

    Raises:
        PlacementError: they do.
    """

    def compare(site: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(site, Site)
        slot = doubtful[site]
        if args[0].shape[1] != slot.channels:
            raise PlacementError(
                f"the map at {slot.name!r} is not (N, C, H, W): its axis 1 changes with the size of the image",
                got=[1, slot.channels, *slot.resolution],
                remedy='make the site with layout="nhwc"',
            )

    for site in doubtful:
        site.register_forward_pre_hook(compare)
    try:
        probe.run(scale=2)
    except PlacementError:
        raise
    except Exception:  # whatever a model raises that takes images of one size alone: then nothing is known
        return


def _sizes(value: object, site: Site, name: str) -> tuple[int, int, int]:
    """C, H and W of the map at a site.

    Raises:
        PlacementError: what is there is no map.
    """
    if not isinstance(value, Tensor) or value.ndim != 4:
        raise PlacementError(
            f"what passes at {name!r} is no map of (N, C, H, W)",
            got=list(value.shape) if isinstance(value, Tensor) else type(value).__name__,
        )
    _, first, second, third = value.shape
    return (third, first, second) if site.layout == "nhwc" else (first, second, third)


def refuse_wrapped(model: nn.Module) -> None:
    """Check that a model is not compiled, scripted or spread over devices: what is inserted then might not run.

    Raises:
        PlacementError: it is.
    """
    for name, module in model.named_modules():
        how = next((how for kind, how in _WRAPPED.items() if kind in _kinds(module)), None)
        if how is not None:
            raise PlacementError(
                f"{name or 'the model'} is {how} already",
                got=type(module).__name__,
                remedy="insert blocks before the model is wrapped",
            )


_WRAPPED = {
    "OptimizedModule": "compiled",
    "ScriptModule": "scripted",
    "DataParallel": "spread over devices",
    "DistributedDataParallel": "spread over devices",
    "FullyShardedDataParallel": "spread over devices",
    "FSDPModule": "spread over devices",
}
"""The classes of torch in which a model is wrapped, by name, since importing some of them takes long."""


def _kinds(module: nn.Module) -> set[str]:
    return {kind.__name__ for kind in type(module).__mro__ if kind.__module__.split(".")[0] == "torch"}
