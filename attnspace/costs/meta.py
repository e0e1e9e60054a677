"""Runs of a model for its shapes alone, on the meta device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from attnspace.costs.quick_shapes import QuickShapes
from attnspace.errors import AttnspaceError, PlacementError, SpecError

__all__ = ["MetaRun", "check_shape", "in_mode", "on_meta", "watched_on_meta"]


def check_shape(shape: object) -> None:
    """Check that `shape` is (C, H, W).

    Raises:
        SpecError: it is not three positive whole numbers.
    """
    if not (isinstance(shape, tuple | list) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)):
        raise SpecError("the input shape is not (C, H, W)", got=shape, remedy="give three numbers, without the batch")


class MetaRun:
    """Calls a model with its tensors replaced by meta tensors; one that lies on the meta device is called as it is.

    Attributes:
        tensors: the meta tensor of every parameter and buffer, by name.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.tensors = dict([*model.named_parameters(), *model.named_buffers()])
        self._is_meta = all(tensor.is_meta for tensor in self.tensors.values())
        if not self._is_meta:
            self.tensors = {
                name: torch.empty_like(tensor, device="meta", requires_grad=tensor.requires_grad)
                for name, tensor in self.tensors.items()
            }

    def __call__(self, x_nchw: Tensor) -> Any:
        if self._is_meta:
            return self.model(x_nchw)
        return torch.func.functional_call(self.model, self.tensors, (x_nchw,))


@contextmanager
def in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """A context in which a model is in training or evaluation mode; after it, each module is in its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    # To set an attribute of a module takes long, and most are in this mode already; some models do more than set it.
    as_it_is = all(mode is training and _only_sets_modes(module) for module, mode in modes)
    try:
        if not as_it_is:
            (model.train if training else model.eval)()
        yield
    finally:
        for module, mode in modes:
            if module.training is not mode:
                module.training = mode


def _only_sets_modes(module: nn.Module) -> bool:
    """Whether neither a module's class nor the module itself has a `train` or `eval` of its own."""
    ours = getattr(module.train, "__func__", None), getattr(module.eval, "__func__", None)
    return ours == (nn.Module.train, nn.Module.eval)


@contextmanager
def on_meta(model: nn.Module, input_shape: tuple[int, int, int]) -> Iterator[tuple[MetaRun, Tensor]]:
    """A context to run `model` in for its shapes alone, in evaluation mode; the model is left as it was.

    Raises:
        PlacementError: the code inside the context fails; the error names the cause.
    """
    check_shape(input_shape)
    with in_mode(model, training=False), torch.no_grad():
        try:
            yield MetaRun(model), torch.empty((1, *input_shape), device="meta")
        except AttnspaceError:
            raise
        except Exception as cause:  # whatever the model's code raises
            raise PlacementError(
                f"the model cannot be run for its shapes, on the meta device: {type(cause).__name__}: {cause}",
                got=input_shape,
                allowed="an input shape (C, H, W) that it takes; code whose tensors are made on its input's device",
            ) from cause


def watched_on_meta(model: nn.Module, input_shape: tuple[int, int, int], hooks: Iterable[RemovableHandle]) -> None:
    """Run `model` once for its shapes alone, so that the hooks see them; then remove the hooks."""
    try:
        with on_meta(model, input_shape) as (run, x_nchw), QuickShapes():
            run(x_nchw)
    finally:
        for hook in hooks:
            hook.remove()
