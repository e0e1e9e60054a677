"""A tree of modules -> the base class and the statements of `__init__`; what has no state and no call is left out."""

from __future__ import annotations

import copy
import inspect
import re
import textwrap
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from attnspace.export.leaves import torch_class
from attnspace.export.text import WIDTH, call, dotted, literal

__all__ = ["PART", "base_and_statements"]

PART = '''class Part(nn.Module):
    """Holds parameters, buffers and modules under the names of its arguments."""

    def __init__(self, **members):
        super().__init__()
        for name, member in members.items():
            setattr(self, name, member)


'''
"""The source of the class that a container of our own is written as."""

_INDENT = 8


def base_and_statements(root: nn.Module, called: Collection[str]) -> tuple[str, list[str]]:
    """The base class of a module and the statements of its `__init__`, none if that would do nothing.

    `called` are the paths of the modules that `forward` calls, "" for the module itself.
    """
    if type(root) is nn.Sequential and (children := _children(root, "", called, _INDENT + 4)):
        return "nn.Sequential", [call("super().__init__", children, _INDENT), *_started(root)]
    members = [f"self.{key} = {text}" for key, text in _members(root, "", called, _INDENT)]
    return "nn.Module", ["super().__init__()", *members, *_started(root)] if members else []


def _module(module: nn.Module, path: str, called: Collection[str], indent: int, before: int = 0) -> str:
    """The expression that makes one module, after `before` characters of an indented line; "" if not needed."""
    if type(module) in (nn.Sequential, nn.ModuleList):
        children = _children(module, path, called, indent + 4)
        return call(f"nn.{type(module).__name__}", children, indent + before) if children else ""
    if cls := torch_class(module):
        is_needed = module.state_dict() or any(f"{path}.".startswith(f"{outer}.") for outer in called)
        return _layer(module, cls) if is_needed or "" in called else ""
    members = [f"{key}={text}" for key, text in _members(module, path, called, indent + 4)]
    return call("Part", members, indent + before) if members else ""


def _children(module: nn.Module, path: str, called: Collection[str], indent: int) -> list[str]:
    """The expressions that make the children of a Sequential or ModuleList, up to the last that is needed."""
    children = [_module(child, _join(path, key), called, indent) for key, child in module.named_children()]
    while children and not children[-1]:
        children.pop()
    return [text or "nn.Identity()" for text in children]


def _members(module: nn.Module, path: str, called: Collection[str], indent: int) -> Iterator[tuple[str, str]]:
    """The names of a container's parameters, buffers and modules, each with the expression that makes it."""
    for key, parameter in module.named_parameters(recurse=False):
        yield key, f"nn.Parameter({_tensor(parameter.detach(), indent)})"
    for key, buffer in module.named_buffers(recurse=False):
        arguments = [_tensor(buffer, indent), "persistent=False"]
        yield key, call("nn.Buffer", arguments, indent + len(f"self.{key} = "))
    for key, child in module.named_children():
        if text := _module(child, _join(path, key), called, indent, len(f"self.{key} = ")):
            yield key, text


def _layer(module: nn.Module, cls: type[nn.Module]) -> str:
    """The call that makes a layer, `nn.Conv2d(64, 4, kernel_size=1)`, read off attributes named like the arguments."""
    arguments = []
    for name, parameter in inspect.signature(cls).parameters.items():
        value = getattr(module, name, parameter.default)
        if name == "bias":
            value = value is not None
        elif isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if value != parameter.default:
            is_plain = parameter.default is parameter.empty and name != "kernel_size"
            arguments.append(literal(value) if is_plain else f"{name}={literal(value)}")
    return f"nn.{cls.__name__}({', '.join(arguments)})"


def _tensor(value: Tensor, indent: int) -> str:
    first = value.flatten()[0].item()
    if bool((value == first).all()):
        shape = ", ".join(map(str, value.shape))
        plain = {0.0: f"torch.zeros({shape})", 1.0: f"torch.ones({shape})"}
        return plain.get(first, f"torch.full({tuple(value.shape)}, {first})")
    numbers = re.sub(r"\.0\b", ".", str(value.tolist()))
    return call("torch.tensor", [textwrap.fill(numbers, WIDTH - indent - 8)], indent + 20)


def _started(root: nn.Module) -> Iterator[str]:
    """Statements for the weights that are set to one number after torch has drawn them."""
    for path, module in root.named_modules():
        cls: Any = torch_class(module)
        if cls and list(module.parameters()):
            fresh = copy.deepcopy(module)
            cls.reset_parameters(fresh)
            for key, value in module.named_parameters():
                start = value.flatten()[0].item()
                is_set = start == 0 or value.numel() > 1  # a single number may have been drawn
                if is_set and bool((value == start).all()) and not torch.equal(value, fresh.get_parameter(key)):
                    weight = dotted(_join(path, key))
                    yield f"nn.init.constant_({weight}, {start})" if start else f"nn.init.zeros_({weight})"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
