"""Which attention block, placed where, helps your network: specs, modules, spaces and searches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attnspace.analysis.handed_over import frame, recommend
    from attnspace.costs.network import Cost, cost
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
    from attnspace.export import export_onnx, export_python, fold_constants
    from attnspace.language.compiler import build, layer
    from attnspace.language.difference import diff
    from attnspace.language.identity import identity
    from attnspace.language.specs import load_spec, parse_spec, published, save_spec
    from attnspace.placement.insertion import insert, insert_design
    from attnspace.placement.openings import add_sites
    from attnspace.placement.placement import Placement, plan
    from attnspace.placement.sites import Site
    from attnspace.placement.slots import Slot, slots
    from attnspace.primitives import Block
    from attnspace.space.space import Space, load_space
    from attnspace.workflow import confirm_run, run_study

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
    "confirm_run",
    "cost",
    "diff",
    "export_onnx",
    "export_python",
    "fold_constants",
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
    "recommend",
    "run_study",
    "save_spec",
    "slots",
]

# Loaded when first asked for: `attnspace --help` must not wait for torch. No module may be called like a public name,
# or importing it would hide the name.
_HOME = {
    "analysis.handed_over": ("frame", "recommend"),
    "costs.network": ("Cost", "cost"),
    "errors": tuple(name for name in __all__ if name.endswith(("Error", "Failed", "Diverged"))),
    "export": ("export_onnx", "export_python", "fold_constants"),
    "language.compiler": ("build", "layer"),
    "language.difference": ("diff",),
    "language.identity": ("identity",),
    "language.specs": ("load_spec", "parse_spec", "published", "save_spec"),
    "placement.insertion": ("insert", "insert_design"),
    "placement.openings": ("add_sites",),
    "placement.placement": ("Placement", "plan"),
    "placement.sites": ("Site",),
    "placement.slots": ("Slot", "slots"),
    "primitives": ("Block",),
    "space.space": ("Space", "load_space"),
    "workflow": ("confirm_run", "run_study"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


if not TYPE_CHECKING:  # else a type checker would take every name for one of the package

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
