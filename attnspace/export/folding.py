"""Gates that are constant, folded into the convolution or norm beside them: attention that costs nothing at inference.

A block that multiplies each channel by a number s and adds a number t is a part of its neighbour:

    s norm(x) + t                 the norm's own scale and shift
    s (W x + b) + t               a convolution before it: its filters and its bias
    W (s x + t) + b               a convolution after it: s in its filters; t in its bias, if it pads with no zeros
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from attnspace.costs.inputs import Inputs, InputsLike, inputs_of
from attnspace.errors import ExportError
from attnspace.modules.composition import ParallelModule, ResidualModule, RezeroModule, SplitModule
from attnspace.modules.layers import AffineModule
from attnspace.training.outputs import main_output

__all__ = ["Folding", "fold_constants"]

PARTS = (AffineModule, ParallelModule, ResidualModule, RezeroModule, SplitModule)
"""What constant gates are made of, besides torch's containers."""

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
"""Norms with a scale and a shift for each channel; a LayerNorm has them where its map's last axis is the channels."""

Constant = tuple[Tensor, Tensor]
"""Scale and shift, (C,) each, float64."""


@dataclass(frozen=True)
class Folding:
    """What became of the constant blocks of a model.

    Attributes:
        model: the model, without those that were folded.
        folded: name of the block -> name of the convolution or norm that it is a part of now.
        left: name of the block -> why it stands where it stood.
        biases: names of convolutions that have a bias now, and had none.
    """

    model: nn.Module
    folded: Mapping[str, str]
    left: Mapping[str, str]
    biases: tuple[str, ...]


def fold_constants(model: nn.Module, input_shape: InputsLike | None = None) -> Folding:
    """Fold every block that is a learned scale and shift of each channel into its neighbour, in place.

    Each fold was tried on a copy in float64 and changed the output by less than 1e-9 of its size; at the end the model
    itself is compared with what it was, in evaluation.

    Args:
        model: a network with blocks; each of its modules keeps its mode.
        input_shape: (C, H, W), or example inputs; by default the model's own.

    Raises:
        ExportError: the model does something else afterwards; it is as it was then.
        PlacementError: its inputs are not known.
    """
    inputs = inputs_of(model, input_shape)
    modes = {module: module.training for module in model.modules()}
    undone: list[Callable[[], None]] = []
    before = copy.deepcopy(model).eval()
    trial = copy.deepcopy(before).double()
    expected = _outputs(trial, inputs)
    neighbours = _neighbours(trial, inputs)
    folded: dict[str, str] = {}
    left: dict[str, str] = {}
    for name, (constant, beside, reason) in neighbours.items():
        for target, is_before in beside:
            undo = _fold(trial, name, target, is_before, constant)
            if isinstance(undo, str):
                reason = undo
            elif _same(expected, _outputs(trial, inputs), 1e-9):
                undone.append(_folded(model, name, target, is_before, constant))
                folded[name] = target
                break
            else:
                undo()
                reason = f"what stands between it and {target}, or beside it, sees another map then"
        else:
            left[name] = reason
    is_same = _same(_outputs(before, inputs), _outputs(model.eval(), inputs), 1e-5)
    for undo in [] if is_same else reversed(undone):
        undo()
    for module, mode in modes.items():
        module.training = mode
    if not is_same:
        raise ExportError(
            "the network does something else after its constant gates were folded",
            remedy="export it as it is; the numbers of its weights may be too large for its type",
        )
    had = dict(before.named_parameters())
    biases = [f"{target}.bias" for target in dict.fromkeys(folded.values())]
    return Folding(model, folded, left, tuple(b for b in biases if b not in had and _has(model, b)))


def _has(model: nn.Module, parameter: str) -> bool:
    return any(name == parameter for name, _ in model.named_parameters())


def _same(expected: Sequence[Tensor], found: Sequence[Tensor], tolerance: float) -> bool:
    return all(
        bool(((a - b).abs() <= tolerance * (a.abs().amax() + 1)).all()) for a, b in zip(expected, found, strict=True)
    )


@torch.no_grad()
def _outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """What a model makes of its example inputs, and of images of both signs."""
    like = next(model.parameters())
    args, kwargs = inputs.make(3, like)
    found = [main_output(model(*args, **kwargs))]
    if inputs.image is not None:
        found.append(main_output(model(8 * args[0] - 4)))
    return found


Neighbours = dict[str, tuple[Constant, list[tuple[str, bool]], str]]
"""Name of a constant block -> its numbers; modules that it may be folded into, and whether they come before it; why it
cannot be where there is none."""


def _neighbours(model: nn.Module, inputs: Inputs) -> Neighbours:
    """What stands right before and after each constant block, by which tensors they hand on."""
    blocks = _constant_blocks(model)
    names = {module: name for name, module in model.named_modules()}
    given: dict[nn.Module, list[Tensor]] = {}
    returned: dict[nn.Module, list[Tensor]] = {}

    def note(module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(out, Tensor):
            given.setdefault(module, []).append(args[0])
            returned.setdefault(module, []).append(out)

    around = [m for m in model.modules() if isinstance(m, (*NORMS, _ConvNd))]
    hooks = [module.register_forward_hook(note) for module in (*around, *blocks.values())]
    _outputs(model, inputs)
    for hook in hooks:
        hook.remove()
    found: Neighbours = {}
    for name, block in blocks.items():
        if block not in given:
            continue
        x, y = given[block][0], returned[block][0]
        constant = _constant(block, x.shape[1]) if x.ndim == 4 else None
        before = [(names[m], True) for m in around if any(out is x for out in returned.get(m, ()))]
        after = [
            (names[m], False) for m in around if isinstance(m, _ConvNd) and any(it is y for it in given.get(m, ()))
        ]
        if constant is None:
            nothing = torch.empty(0)
            found[name] = ((nothing, nothing), [], "it is no scale and shift of each channel")
        else:
            found[name] = (constant, [*before, *after], "no convolution or norm comes right before it or after it")
    return found


def _constant_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """The largest modules that are made of constants alone, by name."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inside = list(module.modules())
        is_ours = all(isinstance(m, (*PARTS, nn.Sequential, nn.ModuleList, nn.Identity)) for m in inside)
        has_part = any(isinstance(m, AffineModule) for m in inside)
        if is_ours and has_part and name and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = module
    return found


@torch.no_grad()
def _constant(block: nn.Module, channels: int) -> Constant | None:
    """Scale and shift of a block in float64; None if it is not that."""
    like = next(block.parameters())
    zeros = torch.zeros(1, channels, 2, 3, dtype=like.dtype, device=like.device)
    shift = block(zeros)
    scale = block(zeros + 1) - shift
    drawn = torch.randn(zeros.shape, generator=torch.Generator().manual_seed(0)).to(like)
    if not _same([block(drawn)], [scale * drawn + shift], 1e-9):
        return None
    return scale[0, :, 0, 0].clone(), shift[0, :, 0, 0].clone()


def _folded(model: nn.Module, name: str, target: str, is_before: bool, constant: Constant) -> Callable[[], None]:
    """Fold what a copy of the model has shown to be possible; return what undoes it."""
    undo = _fold(model, name, target, is_before, constant)
    assert not isinstance(undo, str)
    return undo


@torch.no_grad()
def _fold(model: nn.Module, name: str, target: str, is_before: bool, constant: Constant) -> Callable[[], None] | str:
    """Fold a block into a module; return what undoes it, or why that is not possible."""
    module, block = model.get_submodule(target), model.get_submodule(name)
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    scale, shift = constant
    if weight is None or isinstance(module, _ConvTransposeNd) or (is_before and len(weight) != len(scale)):
        return f"{target} has no weights that a scale folds into"
    old = weight.detach().clone(), None if bias is None else bias.detach().clone()
    wide, tall = weight.double(), torch.zeros_like(shift) if bias is None else bias.double()
    if is_before:
        weight.copy_(wide * scale.view(-1, *[1] * (weight.ndim - 1)))
        tall = tall * scale + shift
    else:
        assert isinstance(module, _ConvNd)
        if shift.any() and module.padding_mode == "zeros" and module.padding not in ("valid", (0,) * (weight.ndim - 2)):
            return f"{target} pads its input with zeros, which a shift does not fold into"
        rows = weight.shape[0] // module.groups
        numbers = [n.view(module.groups, -1).repeat_interleave(rows, 0) for n in (scale, shift)]
        of_filter = [n.view(*n.shape, *[1] * (weight.ndim - 2)) for n in numbers]
        tall = (torch.zeros_like(wide[:, 0].flatten(1)[:, 0]) if bias is None else bias.double()) + (
            wide * of_filter[1]
        ).flatten(1).sum(1)
        weight.copy_(wide * of_filter[0])
    if bias is not None:
        bias.copy_(tall)
    elif tall.any():
        module.bias = nn.Parameter(tall.to(weight.dtype))
    model.set_submodule(name, nn.Identity())

    def undo() -> None:
        with torch.no_grad():
            weight.copy_(old[0])
            if bias is not None and old[1] is not None:
                bias.copy_(old[1])
            else:
                module.register_parameter("bias", None)
        model.set_submodule(name, block)

    return undo
