"""The blocks of a design -> one Python file that puts them into a network, without attnspace."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from attnspace.costs.inputs import Inputs
from attnspace.errors import ExportError
from attnspace.export.construct import PART
from attnspace.export.python import class_source, document
from attnspace.export.verification import standard_torch
from attnspace.language.compiler import build_resolved
from attnspace.language.specs import dump_spec
from attnspace.placement.placement import Plan
from attnspace.placement.sites import AFTER, ChannelsFirst, Layout, Opened, Site, appends
from attnspace.placement.slots import Slot
from attnspace.training.outputs import main_output

__all__ = ["export_insertion"]

_CHANNELS_FIRST = '''class ChannelsFirst(nn.Module):
    """A block where maps are (N, H, W, C): it sees them as (N, C, H, W)."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        return self.block(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


'''

_INSERT = '''

def insert(model):
    """Put a new block into each place, in place, and return the model; load trained weights afterwards.

    A place is a submodule of the model that does nothing yet, or, where it is called `attention` or
    `attention_before`, what comes right after or before the module that it is named in.
    """
    like = next(model.parameters())
    for name, make in BLOCKS.items():
        where, _, place = name.rpartition(".")
        host = model.get_submodule(where)
        is_place = hasattr(host, place) or (type(host).forward is nn.Sequential.forward and place == "attention")
        if not is_place and place not in ("attention", "attention_before"):
            raise AttributeError(f"the model has no place {name!r} for a block")
        setattr(host, place, make().to(like.device, like.dtype).train(model.training))
        if not is_place and place == "attention":
            host.register_forward_hook(_attend)
        elif not is_place:
            host.register_forward_pre_hook(_attend_before)
    return model


def _attend(host, args, out):
    return host.attention(out)


def _attend_before(host, args):
    return (host.attention_before(args[0]), *args[1:])
'''


def export_insertion(
    network: Callable[[], nn.Module], planned: Plan, available: Sequence[Slot], inputs: Inputs, doc: Sequence[str]
) -> str:
    """The text of one file of plain torch: the blocks as classes, and a function `insert(model)` that puts them in.

    The file was run before it is handed over: what it makes of the network, and of the network without slots, has the
    weights that attnspace's has, and computes the same.

    Args:
        network: makes the network with free slots.
        planned: the blocks.
        available: the free slots of the network.
        inputs: what the network is called with.
        doc: the first paragraphs of the file's docstring.

    Raises:
        ExportError: there is no block, one cannot be written as source, or the file does something else.
    """
    if not planned:
        raise ExportError("has no block to insert: it is the plain network", remedy="use that network as it is")
    text = document(
        [*doc, "`insert(model)` puts the blocks into a model like the one that was searched."],
        _code(planned, {slot.name: slot.layout for slot in available}),
    )
    _verify(text, network, planned, inputs)
    return text


def _code(planned: Plan, layouts: Mapping[str, Layout]) -> str:
    """The classes of the blocks, one for each block and number of channels, where they stand, and `insert`.

    Raises:
        ExportError: a block cannot be written as source.
    """
    names: dict[tuple[str, int], str] = {}
    classes, lines = [], []
    for slot, block in planned.items():
        channels = planned.channels[slot]
        key = json.dumps(dump_spec(block)), channels
        if key not in names:
            alike = sum(known == channels for _, known in names)
            names[key] = f"Block{channels}" + (f"Variant{alike + 1}" if alike else "")
            source, _ = class_source(partial(build_resolved, block, channels), channels, names[key])
            classes.append(source)
        made = names[key] if layouts[slot] == "nchw" else f"lambda: ChannelsFirst({names[key]}())"
        lines.append(f"    {json.dumps(slot)}: {made},")
    parts = [PART.rstrip()] if any(source.startswith(PART) for source in classes) else []
    parts += [_CHANNELS_FIRST.rstrip()] if "nhwc" in {layouts[slot] for slot in planned} else []
    parts += [source.removeprefix(PART).rstrip() for source in classes]
    places = "\n".join(["BLOCKS = {", *lines, "}"])
    return "\n\n\n".join([*parts, places]) + "\n" + _INSERT


def _verify(text: str, network: Callable[[], nn.Module], planned: Plan, inputs: Inputs) -> None:
    """Compare what the file makes of a network with what attnspace makes of it.

    Raises:
        ExportError: they are not the same.
    """
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "<exported>", "exec"), namespace)  # noqa: S102  # our own text
    with standard_torch(), torch.no_grad():
        plain = network()
        ours = copy.deepcopy(plain)
        for name, block in planned.items():
            built = build_resolved(block, planned.channels[name])
            site = ours.get_submodule(name)
            is_nhwc = isinstance(site, Site) and site.layout == "nhwc"
            ours.set_submodule(name, ChannelsFirst(built) if is_nhwc else built)
        state = {key: _elsewhere(value) for key, value in ours.state_dict().items()}
        ours.load_state_dict(state)
        args, kwargs = inputs.make(2, torch.zeros(()))
        expected = main_output(ours.eval()(*args, **kwargs))
        for host in (copy.deepcopy(plain), _without_slots(plain)):
            theirs = namespace["insert"](host)
            if theirs.state_dict().keys() != state.keys():
                raise ExportError("the written file gives the network other weights than attnspace does")
            theirs.load_state_dict(state)
            found = main_output(theirs.eval()(*args, **kwargs))
            if not torch.allclose(expected, found, rtol=1e-4, atol=1e-5):
                raise ExportError("the written file makes another network than attnspace does")


def _elsewhere(value: torch.Tensor) -> torch.Tensor:
    """A little off, so that blocks that do nothing at first do something."""
    return value + 0.05 * torch.rand_like(value) if value.is_floating_point() else value


def _without_slots(model: nn.Module) -> nn.Module:
    """The model as it was before slots were opened in it by `add_sites`."""
    for holder in list(model.modules()):
        for name, child in list(holder._modules.items()):
            if isinstance(child, Opened):
                holder._modules[name] = child.host
            elif isinstance(child, Site) and child.opened and name == AFTER and appends(holder):
                del holder._modules[name]
    return model
