"""Copies of a model that are run for their shapes, so that a look at a model changes nothing in it.

A copy lies on the meta device, where nothing is computed. A model that does not run there, since its code reads values
or makes tensors on a device of its own, is copied with its numbers and run for real.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from attnspace.costs.inputs import Inputs
from attnspace.costs.quick_shapes import QuickShapes
from attnspace.errors import AttnspaceError, PlacementError

__all__ = ["Probe", "copied", "look"]

Found = TypeVar("Found")


class Probe:
    """A copy of a model, to be run for its shapes.

    Args:
        model: the copy.
        inputs: what it is called with.

    Attributes:
        trains_alike: whether it computes the same in training as in evaluation, so that one run tells both.
    """

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        self.model = model
        self.inputs = inputs
        self.trains_alike = False

    @property
    def is_meta(self) -> bool:
        """Whether the copy lies on the meta device."""
        return any(tensor.is_meta for tensor in _own(self.model))

    def run(
        self,
        *,
        batch: int = 1,
        scale: int = 1,
        training: bool = False,
        gradient_of_input: bool = False,
        counting: QuickShapes | None = None,
    ) -> Any:
        """Call the copy, with gradients in training mode, without in evaluation mode.

        Args:
            batch: samples in the batch.
            scale: of the height and width of images.
            training: whether it runs in training mode; else in evaluation mode.
            gradient_of_input: whether the backward pass would also give the gradient of the inputs.
            counting: what sees every operation.

        Returns:
            what the copy returns.
        """
        _set_mode(self.model, training)
        own = list(_own(self.model))
        like = next((tensor for tensor in own if tensor.is_floating_point()), torch.empty(0))
        cuda = sorted({tensor.device.index for tensor in own if tensor.is_cuda})
        seeing = counting or (QuickShapes() if like.is_meta else nullcontext())
        # What a forward pass draws, such as dropout, must not change what a training draws later.
        with _own_streams(), torch.random.fork_rng(devices=cuda), torch.set_grad_enabled(training), seeing:
            args, kwargs = self.inputs.make(batch, like, scale)
            for tensor in (*args, *kwargs.values()):
                if gradient_of_input and isinstance(tensor, Tensor) and tensor.is_floating_point():
                    tensor.requires_grad_()
            return self.model(*args, **kwargs)


@contextmanager
def _own_streams() -> Iterator[None]:
    """A context after which the random streams of Python and numpy stand where they stood before."""
    python, array = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(array)


@torch.inference_mode(False)
def look(model: nn.Module, inputs: Inputs, at: Callable[[Probe], Found]) -> Found:
    """Call a function with a copy of a model: on the meta device, and where that fails with one that is run for real.

    Raises:
        PlacementError: the function fails with both; the error names the cause.
    """
    before = _versions(model)
    try:
        return _looked(model, inputs, at)
    finally:
        if _versions(model) != before:
            raise PlacementError(
                "a look at the model changed it: its forward, or a hook, is a function that refers to the model "
                "itself, and copies of the model call it too",
                remedy="make it a method of the module's class",
            )


def _looked(model: nn.Module, inputs: Inputs, at: Callable[[Probe], Found]) -> Found:
    is_meta = any(tensor.is_meta for tensor in _own(model))
    try:
        return at(Probe(copied(model, on_meta=True), inputs))
    except AttnspaceError:
        raise
    except Exception as cause:  # whatever the model's code raises
        if is_meta:
            raise _failed(cause, inputs) from cause
    try:
        return at(Probe(copied(model), inputs))
    except AttnspaceError:
        raise
    except Exception as cause:  # likewise
        raise _failed(cause, inputs) from cause


def _versions(model: nn.Module) -> list[int]:
    """How often each tensor of a model was changed in place."""
    return [tensor._version for tensor in _own(model) if not (nn.parameter.is_lazy(tensor) or tensor.is_inference())]


def _failed(cause: Exception, inputs: Inputs) -> PlacementError:
    return PlacementError(
        f"the model cannot be run for its shapes: {type(cause).__name__}: {cause}",
        got=inputs.shapes,
        allowed="an input shape (C, H, W), or example inputs, that it takes",
    )


def copied(model: nn.Module, *, on_meta: bool = False) -> nn.Module:
    """A copy of a model, also of one that has run and kept what it computed; tied tensors stay tied.

    Args:
        model: stays as it is.
        on_meta: whether the copy's tensors lie on the meta device, where they have shapes and no data.
    """
    memo: dict[int, Any] = {}
    for tensor in _tensors(model):
        if on_meta and not nn.parameter.is_lazy(tensor):
            memo[id(tensor)] = _on_meta(tensor)
        elif not tensor.is_leaf:  # torch copies no tensor that was computed with a gradient
            memo[id(tensor)] = tensor.detach().clone()
    return copy.deepcopy(model, memo)


def _on_meta(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor, device="meta", requires_grad=False)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(empty, tensor.requires_grad)
    return empty.requires_grad_(tensor.requires_grad and tensor.is_leaf)


def _own(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    """Every tensor that a model holds: parameters, buffers, and those in plain attributes of its modules."""
    for module in model.modules():
        yield from _held(vars(module))


def _held(value: Any, depth: int = 4) -> Iterator[Tensor]:
    """The tensors in a value, and in containers in it, down to some depth."""
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _held(item, depth - 1)
    elif depth and isinstance(value, list | tuple | set):
        for item in value:
            yield from _held(item, depth - 1)


def _set_mode(model: nn.Module, training: bool) -> None:
    # To set an attribute of a module takes long, and most are in this mode already; some models do more than set it.
    if not all(module.training is training and _only_sets_modes(module) for module in model.modules()):
        model.train(training) if training else model.eval()


def _only_sets_modes(module: nn.Module) -> bool:
    """Whether neither a module's class nor the module itself has a `train` or `eval` of its own."""
    ours = getattr(module.train, "__func__", None), getattr(module.eval, "__func__", None)
    return ours == (nn.Module.train, nn.Module.eval)
