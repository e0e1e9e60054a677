"""Imports point down, between rooms and inside them; nothing is circular; what a module offers is sorted and complete."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import attnspace

ROOT = Path(attnspace.__file__).parent
ROOMS = (
    "errors",
    "documents",
    "modules",
    "primitives",
    "language",
    "costs",
    "objective",
    "record",
    "placement",
    "data",
    "backbones",
    "space",
    "samplers",
    "training",
    "study",
    "workers",
    "search",
    "analysis",
    "confirm",
    "export",
    "report",
    "workflow",
    "schemas",
    "cli",
    "__main__",
)
"""From the bottom up. What stands in a room, from the bottom up, is said by its `__init__`."""


def modules() -> dict[str, Path]:
    paths = sorted(ROOT.rglob("*.py"))
    return {
        ".".join(("attnspace", *p.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): p for p in paths
    }


MODULES = modules()
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py" and name.count(".") == 1]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("attnspace"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def place(module: str) -> str:
    """What a module is called in its room: its own name, or that of the folder that it lies in."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 else ""


def listed(package: str) -> list[str]:
    """The files and folders of a room in the order of its docstring, which is from the bottom up."""
    text = ast.get_docstring(ast.parse(MODULES[package].read_text())) or ""
    return re.findall(r"^\s*([a-z][a-z0-9_]*)  +\S", text, re.MULTILINE)


@pytest.mark.parametrize("module", [name for name in MODULES if room(name)])
def test_imports_point_down_between_rooms(module):
    for imported in imports(MODULES[module]):
        here, there = room(module), room(imported)
        if here != there:
            assert there, f"{module} imports the package itself"
            assert ROOMS.index(there) < ROOMS.index(here), f"{module} imports {imported}, which is not below it"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_docstring_of_a_room_lists_everything_in_it(package):
    inside = {place(name) for name in MODULES if room(name) == room(package)} - {""}
    assert sorted(listed(package)) == sorted(inside)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down_inside_a_room(package):
    order = listed(package)
    for module, path in MODULES.items():
        if room(module) == room(package) and place(module):
            for imported in imports(path):
                if room(imported) == room(module) and place(imported) != place(module):
                    assert place(imported), f"{module} imports the room that it is in"
                    above = order.index(place(imported)) > order.index(place(module))
                    assert not above, f"{module} imports {imported}, which its room lists above it"


def test_every_room_has_its_level():
    assert sorted({room(name) for name in MODULES} - {""}) == sorted(ROOMS)


def test_results_analysis_and_report_never_import_the_study():
    for module, path in MODULES.items():
        if room(module) in ("record", "analysis", "report"):
            assert not [name for name in imports(path) if room(name) in ("study", "search", "workers", "training")]


def test_no_imports_are_circular():
    graph = {name: imports(path) - {name} for name, path in MODULES.items() if room(name)}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_no_room_is_larger_than_a_fifth_and_no_file_or_function_larger_than_a_few_screens():
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    whole = sum(lines.values())
    for one in ROOMS:
        assert sum(count for name, count in lines.items() if room(name) == one) <= whole / 5, one
    assert {name: count for name, count in lines.items() if count >= 350} == {}
    assert long_functions() == {}


def long_functions(limit: int = 50) -> dict[str, int]:
    """Functions of more lines than a screen holds, docstring and all."""
    found = {}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > limit:
                    found[f"{module}.{node.name}"] = length
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__main__")])
def test_all_is_sorted_and_exists(module):
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", None)
    is_folder_of_primitives = module.rsplit(".", 1)[-1] in ("blocks", "squeezes", "statistics", "layers")
    if names is None:
        assert is_folder_of_primitives, f"{module} has no __all__"
        return
    assert list(names) == sorted(names)
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(loaded, name), f"{module}.{name}"


def test_public_names_are_the_contract():
    promised = "load_spec parse_spec published build layer slots insert cost load_space export_python frame"
    assert set(promised.split(" ")) <= set(attnspace.__all__)
    assert set(attnspace.__all__) <= set(dir(attnspace))


def test_no_module_hides_a_public_name():
    for module in MODULES:
        importlib.import_module(module)
    assert not {room(module) for module in MODULES} & set(attnspace.__all__)
    assert all(callable(getattr(attnspace, name)) for name in attnspace.__all__)


def test_every_file_is_reachable_as_a_module():
    walked = {m.name for m in pkgutil.walk_packages([str(ROOT)], "attnspace.")}
    assert walked | {"attnspace"} == set(MODULES)
