"""What a model is called with when it is run for its shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attnspace.errors import PlacementError, SpecError

__all__ = ["Inputs", "InputsLike", "check_shape", "inputs_of"]

Examples = Tensor | list[Any] | tuple[Tensor | list[Any], ...] | Mapping[str, Any]
"""Example inputs: a tensor, the positional arguments as a sequence, or the keyword arguments as a mapping; tensors have
the batch as their first axis and may lie in lists and mappings."""

InputsLike = tuple[int, int, int] | Examples
"""(C, H, W) of the images that a model takes, or example inputs."""


def check_shape(shape: object) -> tuple[int, int, int]:
    """`shape`, which is (C, H, W).

    Raises:
        SpecError: it is not three positive whole numbers.
    """
    if not (isinstance(shape, tuple | list) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)):
        raise SpecError("the input shape is not (C, H, W)", got=shape, remedy="give three numbers, without the batch")
    return shape[0], shape[1], shape[2]


class Inputs:
    """The inputs of a model: images of a shape, or whatever its example inputs are.

    Args:
        given: (C, H, W), or example inputs.

    Attributes:
        given: the same.
        image: (C, H, W); None for example inputs.

    Raises:
        SpecError: it is neither.
    """

    def __init__(self, given: InputsLike) -> None:
        self.given = given
        self.image = None if _holds_tensors(given) else check_shape(given)

    @property
    def shapes(self) -> Any:
        """What is given, with the shapes of tensors instead of the tensors."""
        return _mapped(self.given, lambda tensor: list(tensor.shape))

    @property
    def resolution(self) -> tuple[int, int]:
        """H and W of the images; of example inputs those of the first map, and (1, 1) where there is none."""
        if self.image is not None:
            return self.image[1:]
        maps: list[Tensor] = []
        _mapped(self.given, lambda tensor: maps.append(tensor) if tensor.ndim == 4 else None)
        return (maps[0].shape[2], maps[0].shape[3]) if maps else (1, 1)

    def make(self, batch: int, like: Tensor, scale: int = 1) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of a call.

        Args:
            batch: how many samples they hold.
            like: floating-point inputs have its type, and all of them lie on its device.
            scale: of the height and width of images that are given by their shape.

        Returns:
            images of uniform random numbers, always the same, or the example inputs, repeated up to the batch.
        """
        if self.image is not None:
            channels, height, width = self.image
            return (_images((batch, channels, scale * height, scale * width), like),), {}
        made = _mapped(self.given, lambda tensor: _repeated(tensor, batch, like))
        if isinstance(made, Tensor):
            return (made,), {}
        return ((), dict(made)) if isinstance(made, Mapping) else (tuple(made), {})


def inputs_of(model: nn.Module, given: InputsLike | None) -> Inputs:
    """The inputs that are given, or else those that the model names itself: its `example_inputs` or `input_shape`.

    Raises:
        PlacementError: none are given and the model names none.
        SpecError: what is given is neither (C, H, W) nor example inputs.
    """
    if given is None:
        own = getattr(model, "example_inputs", None)
        given = own if own is not None else getattr(model, "input_shape", None)
    if given is None:
        raise PlacementError(
            "the input shape of this model is not known",
            remedy="pass input_shape=(C, H, W), or example inputs where it takes other things than images",
        )
    return Inputs(given)


def _holds_tensors(given: object) -> bool:
    if isinstance(given, Mapping):
        return any(_holds_tensors(value) for value in given.values())
    if isinstance(given, tuple | list):
        return any(_holds_tensors(value) for value in given)
    return isinstance(given, Tensor)


def _images(shape: tuple[int, ...], like: Tensor) -> Tensor:
    if like.is_meta:
        return torch.empty(shape, dtype=like.dtype, device="meta")
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return drawn.to(like.device, like.dtype)


def _repeated(tensor: Tensor, batch: int, like: Tensor) -> Tensor:
    """The first sample of an example input, as often as a batch has samples."""
    if tensor.ndim:
        tensor = tensor[:1].expand(batch, *tensor.shape[1:])
    return tensor.to(like.device, like.dtype if tensor.is_floating_point() else tensor.dtype)


def _mapped(value: Any, function: Callable[[Tensor], Any]) -> Any:
    """A value with a function applied to each tensor in it."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, function) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = [_mapped(item, function) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)  # a named tuple or not
    return value
