"""How to give two modules the same weights, and how far apart they are."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CHANNELS = (8, 24, 64, 320)


def copy_weights(reference: nn.Module, module: nn.Module, order: Sequence[int] | None = None) -> None:
    """Copy parameters and saved buffers one by one, in order of creation; only axes of size 1 may differ.

    `order` says, for each parameter of the module, which of the reference's parameters it is.
    """
    _copy(_ordered(reference.parameters(), order), list(module.parameters()))
    _copy(_state(reference), _state(module))


def stir(reference: nn.Module, seed: int = 0) -> nn.Module:
    """The module, its parameters and running statistics moved: a scale that starts at zero hides what it scales."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        for buffer in reference.buffers():
            if buffer.is_floating_point():
                buffer.add_(0.3 * torch.rand(buffer.shape, generator=generator))
    return reference


def sample(channels: int, *, dtype: torch.dtype, size: tuple[int, int] = (7, 5), batch: int = 3) -> Tensor:
    """A map with ties: rounded, and zero wherever it was negative."""
    generator = torch.Generator().manual_seed(channels)
    noise = torch.randn(batch, channels, *size, generator=generator, dtype=torch.float64)
    return (torch.round(noise.relu() * 4) / 4).to(dtype)


@dataclass(frozen=True)
class Outcome:
    """What a module makes of an input, and what a backward pass leaves."""

    out: Tensor
    input_gradient: Tensor
    weight_gradients: list[Tensor]
    buffers: list[Tensor]


def outcome(module: nn.Module, x: Tensor, *, train: bool, order: Sequence[int] | None = None) -> Outcome:
    """One forward and backward pass in the type of `x`, pulled by random numbers."""
    module.to(x.dtype).train(train)
    given = x.clone().requires_grad_()
    out = module(given)
    pull = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(x.dtype)
    grads = torch.autograd.grad((out * pull).sum(), [given, *_ordered(module.parameters(), order)])
    return Outcome(out.detach(), grads[0], list(grads[1:]), [buffer.clone() for buffer in _state(module)])


def distances(theirs: Outcome, ours: Outcome) -> dict[str, float]:
    """The largest difference of each quantity, relative to its largest value where that exceeds 1.

    Parameter gradients are one quantity: a bias before BN has gradient 0 but for rounding, which its sum of large terms
    leaves at the scale of the others.
    """
    return {
        "forward": _far([theirs.out], [ours.out]),
        "input gradient": _far([theirs.input_gradient], [ours.input_gradient]),
        "parameter gradients": _far(theirs.weight_gradients, ours.weight_gradients),
        "buffers": _far(theirs.buffers, ours.buffers),
        "parameter count": float(abs(_count(theirs) - _count(ours))),
    }


def differences(
    reference: nn.Module, module: nn.Module, x: Tensor, *, train: bool, order: Sequence[int] | None = None
) -> dict[str, float]:
    """How far a module is from its reference with the same weights."""
    return distances(outcome(reference, x, train=train, order=order), outcome(module, x, train=train))


def rounding(reference: nn.Module, x: Tensor, *, train: bool) -> dict[str, float]:
    """How far a reference in the type of `x` is from itself in float64: what the type alone does."""
    exact = outcome(copy.deepcopy(reference), x.double(), train=train)
    return distances(exact, outcome(copy.deepcopy(reference), x, train=train))


def _ordered(parameters: Iterable[Tensor], order: Sequence[int] | None) -> list[Tensor]:
    found = list(parameters)
    if order is None:
        return found
    assert sorted(order) == list(range(len(found)))
    return [found[i] for i in order]


def _state(module: nn.Module) -> list[Tensor]:
    """The buffers that are saved: running statistics, but no constants."""
    saved = module.state_dict().keys()
    return [buffer for name, buffer in module.named_buffers() if name in saved]


def _copy(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> None:
    assert [t.squeeze().shape for t in theirs] == [o.squeeze().shape for o in ours]
    with torch.no_grad():
        for source, target in zip(theirs, ours, strict=True):
            target.copy_(source.reshape(target.shape))


def _far(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> float:
    pairs = [(a.double(), b.double().reshape(a.shape)) for a, b in zip(theirs, ours, strict=True)]
    scale = max((a.abs().max().item() for a, _ in pairs), default=1.0)
    return max(((a - b).abs().max().item() for a, b in pairs), default=0.0) / max(1.0, scale)


def _count(found: Outcome) -> int:
    return sum(gradient.numel() for gradient in found.weight_gradients)
