"""The language: one file per primitive, which says what a spec may hold and how it is built.

sketch       what a block looks like, before it is drawn
drawing      a sketch as a picture
node         what every primitive has in common
block        the family of blocks
descriptor   the shape that flows through a gate while it is compiled
reduction    how wide a bottleneck is
layer        the family of excite layers
statistic    the family of statistics
squeeze      the family of squeezes
strips       how two strips go through layers together
branch       squeeze and excitation of one branch of a gate
width        how many channels a layer leaves
statistics   one file for each statistic
squeezes     one file for each squeeze
layers       one file for each layer
blocks       one file for each block

Importing this package declares every primitive found in its folders, so that adding one is adding a file. Specs are
read, resolved and drawn without torch: only their `build` imports it, and the modules that it needs from
`attnspace.modules`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from attnspace.documents.families import refresh
from attnspace.primitives.block import Block
from attnspace.primitives.branch import Branch
from attnspace.primitives.layer import Layer
from attnspace.primitives.node import Node, families, grid_of
from attnspace.primitives.squeeze import Squeeze
from attnspace.primitives.statistic import Statistic

__all__ = ["Block", "Branch", "Layer", "Node", "Squeeze", "Statistic", "families", "grid_of", "refresh"]

for folder in ("statistics", "squeezes", "layers", "blocks"):
    package = import_module(f"{__name__}.{folder}")
    for found in sorted(iter_modules(package.__path__), key=lambda module: module.name):
        import_module(f"{package.__name__}.{found.name}")
