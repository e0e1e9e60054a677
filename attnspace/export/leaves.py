"""Which modules the written file calls as they are: those of torch.nn that are more than a function."""

from __future__ import annotations

from torch import nn

__all__ = ["is_called", "is_leaf", "torch_class"]


def torch_class(module: nn.Module) -> type[nn.Module] | None:
    """The torch.nn layer that a module is, or that it subclasses only to add checks; None for a container."""
    home = "torch.nn.modules."
    cls = next((cls for cls in type(module).__mro__ if cls.__module__.startswith(home)), nn.Module)
    return None if cls.__module__ in (f"{home}module", f"{home}container") else cls


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is a layer of torch.nn, or a Sequential of such layers."""
    if type(module) is nn.Sequential:
        return all(map(is_leaf, module))
    return torch_class(module) is not None


def is_called(module: nn.Module) -> bool:
    """Whether a module is a leaf that is better called than written as `torch.sigmoid(y)` or left out."""
    return is_leaf(module) and not _is_function(module)


def _is_function(module: nn.Module) -> bool:
    if type(module) is nn.Sequential:
        return all(map(_is_function, module))
    is_activation = type(module).__module__ == "torch.nn.modules.activation" and not module.state_dict()
    return is_activation or type(module) is nn.Identity
