"""The language: one file per primitive, spec first, its module below it.

Importing this package declares every primitive found in its folders, so that adding one is adding a file.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from attnspace.primitives.block import Block
from attnspace.primitives.branch import Branch
from attnspace.primitives.layer import Layer
from attnspace.primitives.node import Node, families, grid_of, refresh
from attnspace.primitives.squeeze import Squeeze
from attnspace.primitives.statistic import Statistic

__all__ = ["Block", "Branch", "Layer", "Node", "Squeeze", "Statistic", "families", "grid_of", "refresh"]

for folder in ("statistics", "squeezes", "layers", "blocks"):
    package = import_module(f"{__name__}.{folder}")
    for found in sorted(iter_modules(package.__path__), key=lambda module: module.name):
        import_module(f"{package.__name__}.{found.name}")
