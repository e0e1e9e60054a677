"""What a forward pass shows at the places of a network where slots are to be opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from attnspace.costs.inputs import Inputs
from attnspace.costs.probe import Probe, look
from attnspace.costs.quick_shapes import Operations
from attnspace.errors import PlacementError
from attnspace.placement.patterns import user_modules
from attnspace.placement.sites import Layout, Opened

__all__ = ["Place", "Seen", "observe"]

Shape = tuple[int, ...]


@dataclass
class Seen:
    """What passes at one place in one run.

    Attributes:
        order: the place's number in the order of the forward pass, from 0.
        shapes: the shape of the tensor there each time; None for a value that is no tensor.
    """

    order: int
    shapes: list[Shape | None]


@dataclass(eq=False)
class Place:
    """A module whose name matches a pattern, and what passes after it, or before it.

    Attributes:
        position: the position whose slot it is to be.
        name: of the module.
        before: whether the slot is to be before the module.
        stars: which parts of the name the wildcards of the pattern stand for.
        fitting: whether the place is left out where no slot can be.
        layout: of the map, where the user says it.
        seen: in evaluation; None where the module does not run.
        seen_larger: in evaluation at twice the height and width; None also where the network takes no other size.
        seen_training: in training; None also where the network cannot be trained with its inputs alone.
    """

    position: str
    name: str
    module: nn.Module
    before: bool
    stars: tuple[int, ...]
    fitting: bool = False
    layout: Layout | None = None
    seen: Seen | None = None
    seen_larger: Seen | None = None
    seen_training: Seen | None = None

    @property
    def order(self) -> int:
        """The place's number in the order of the forward pass, from 0."""
        assert self.seen
        return self.seen.order

    @property
    def shape(self) -> Shape | None:
        """The shape of the map; None for a value that is no tensor."""
        assert self.seen
        return self.seen.shapes[0]

    @property
    def resolution(self) -> tuple[int, int]:
        """H and W of the map."""
        assert self.shape
        return self.shape[1:3] if self.layout == "nhwc" else self.shape[2:]  # type: ignore[return-value]  # of four


def observe(model: nn.Module, places: Sequence[Place], inputs: Inputs) -> list[list[str]]:
    """Run copies of the model, and note at each place when it is reached and what stands there.

    Returns:
        the operations in evaluation, and those in training; none for the latter where it cannot be trained so.

    Raises:
        PlacementError: the model cannot be run.
    """

    def evaluated(probe: Probe) -> tuple[dict[str, Seen], dict[str, Seen], list[str]]:
        larger = {}
        if places and inputs.image is not None:
            try:
                larger = _passing(probe, places, scale=2)
            except Exception:  # whatever a model raises that takes images of one size alone
                larger = {}
        counting = Operations()
        return _passing(probe, places, counting=counting), larger, counting.names

    def trained(probe: Probe) -> tuple[dict[str, Seen], list[str]]:
        counting = Operations()
        return _passing(probe, places, batch=2, training=True, counting=counting), counting.names

    seen, larger, operations = look(model, inputs, evaluated)
    try:
        training, more = look(model, inputs, trained)
    except PlacementError:  # it is trained with targets, such as a detector
        training, more = {}, []
    for place in places:
        key = _key(place)
        place.seen, place.seen_larger, place.seen_training = seen.get(key), larger.get(key), training.get(key)
    return [operations, more]


def _key(place: Place) -> str:
    return f"{place.name} {'before' if place.before else 'after'}"


def _passing(probe: Probe, places: Sequence[Place], **how: Any) -> dict[str, Seen]:
    """What passes at each place that is reached."""
    for module in probe.model.modules():
        if isinstance(module, Opened):
            module.gives_meta = False
    modules = user_modules(probe.model)
    found: dict[str, Seen] = {}

    def note(key: str, value: Any) -> None:
        passed = found.setdefault(key, Seen(len(found), []))
        passed.shapes.append(tuple(value.shape) if isinstance(value, Tensor) else None)

    def noting(place: Place) -> Callable[..., None]:
        key = _key(place)
        if place.before:
            return lambda module, args: note(key, args[0] if args else None)
        return lambda module, args, output: note(key, output)

    hooks = [
        modules[place.name].register_forward_pre_hook(noting(place))
        if place.before
        else modules[place.name].register_forward_hook(noting(place))
        for place in {_key(place): place for place in places}.values()
    ]
    try:
        probe.run(**how)
    finally:
        for hook in hooks:
            hook.remove()
    return found
