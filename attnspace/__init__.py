"""Which attention block, placed where, helps your network: specs, modules, spaces and searches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attnspace.compiler import build, layer
    from attnspace.costing import Cost, cost
    from attnspace.errors import (
        AttnspaceError,
        DataError,
        ExportError,
        PlacementError,
        RunError,
        RunFailed,
        SpaceError,
        SpecError,
        StudyError,
        TrainingDiverged,
        TrainingFailed,
    )
    from attnspace.export import export_onnx, export_python
    from attnspace.placement import Placement, Site, Slot, insert, insert_design, plan, slots
    from attnspace.primitives import Block
    from attnspace.results import frame
    from attnspace.sites import add_sites
    from attnspace.space import Space, load_space
    from attnspace.spec import diff, identity, load_spec, parse_spec, published, save_spec

__all__ = [
    "AttnspaceError",
    "Block",
    "Cost",
    "DataError",
    "ExportError",
    "Placement",
    "PlacementError",
    "RunError",
    "RunFailed",
    "Site",
    "Slot",
    "Space",
    "SpaceError",
    "SpecError",
    "StudyError",
    "TrainingDiverged",
    "TrainingFailed",
    "add_sites",
    "build",
    "cost",
    "diff",
    "export_onnx",
    "export_python",
    "frame",
    "identity",
    "insert",
    "insert_design",
    "layer",
    "load_space",
    "load_spec",
    "parse_spec",
    "plan",
    "published",
    "save_spec",
    "slots",
]

# Loaded when first asked for: `attnspace --help` must not wait for torch. No module may be called like a public name,
# or importing it would hide the name.
_HOME = {
    "compiler": ("build", "layer"),
    "costing": ("Cost", "cost"),
    "errors": tuple(name for name in __all__ if name.endswith(("Error", "Failed", "Diverged"))),
    "export": ("export_onnx", "export_python"),
    "placement": ("Placement", "Site", "Slot", "insert", "insert_design", "plan", "slots"),
    "primitives": ("Block",),
    "results": ("frame",),
    "sites": ("add_sites",),
    "space": ("Space", "load_space"),
    "spec": ("diff", "identity", "load_spec", "parse_spec", "published", "save_spec"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
