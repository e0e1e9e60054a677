"""Imports point down, nothing is circular, and what a module offers is sorted and complete."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import attnspace

ROOT = Path(attnspace.__file__).parent
LAYERS = (
    ("errors",),
    ("primitives",),
    ("documents", "imports", "validation"),
    ("spec",),
    ("compiler",),
    ("catalogue", "costing", "export"),
    ("holes", "latency"),
    ("membership",),
    ("placement", "space"),
    ("sites",),
    ("backbones", "data", "samplers"),
    ("recipe",),
    ("step",),
    ("graph",),
    ("train",),
    ("forecast", "results", "significance"),
    ("confirmation", "importance"),
    ("report", "study"),
    ("schemas",),
    ("console",),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> dict[str, Path]:
    paths = sorted(ROOT.rglob("*.py"))
    return {
        ".".join(("attnspace", *p.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): p for p in paths
    }


MODULES = modules()


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("attnspace"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", [name for name in MODULES if part(name)])
def test_imports_point_down(module):
    for imported in imports(MODULES[module]):
        here, there = part(module), part(imported)
        if here != there:
            assert there, f"{module} imports the package itself"
            assert LEVEL[there] < LEVEL[here], f"{module} imports {imported}, which is not below it"


def test_results_and_report_never_import_the_study():
    for module, path in MODULES.items():
        if part(module) in ("results", "report"):
            assert not [name for name in imports(path) if part(name) == "study"]


def test_no_imports_are_circular():
    graph = {name: imports(path) - {name} for name, path in MODULES.items() if part(name)}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


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
    assert not {part(module) for module in MODULES} & set(attnspace.__all__)
    assert all(callable(getattr(attnspace, name)) for name in attnspace.__all__)


def test_every_file_is_reachable_as_a_module():
    walked = {m.name for m in pkgutil.walk_packages([str(ROOT)], "attnspace.")}
    assert walked | {"attnspace"} == set(MODULES)
