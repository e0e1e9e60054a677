"""Specs are read without torch, and what they build stands in a room of its own, of which nothing is left over."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from torch import nn

import attnspace.modules
import attnspace.primitives
from attnspace import SpecError, build, load_spec, parse_spec, published
from attnspace.language.identity import usual_channels
from tests.any_spec import any_spec

MODULES = Path(attnspace.modules.__file__).parent
SPECS = sorted(Path(attnspace.primitives.__file__).parent.rglob("*.py"))
SPEC = """{"kind": "gate", "squeeze": {"kind": "directional", "stats": ["avg", "max"]}, "excite": [{"kind": "fc"}]}"""
WITHOUT_TORCH = {
    "a spec": f"""
from attnspace import diff, identity, load_spec, parse_spec
from attnspace.language.specs import dump_spec
block = parse_spec({SPEC!r})
identity(dump_spec(block), 64)
diff(block, "cbam")
block.label()
block._repr_html_()
block.resolve(64).canonical()
""",
    "every published block": """
from attnspace import identity, published
for name in published():
    identity(name, 128)
""",
    "a space": """
from attnspace import load_space
next(load_space({"$any": "gate"}).enumerate())
""",
    "the schema of specs": """
from attnspace.schemas import spec_schema
spec_schema()
""",
}


def loaded_by(code: str) -> set[str]:
    """The modules that a new process has imported when it has run the code."""
    code = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("what", WITHOUT_TORCH)
def test_no_torch_is_needed_for(what):
    loaded = loaded_by(WITHOUT_TORCH[what])
    assert "attnspace.primitives" in loaded
    assert "torch" not in loaded


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_file_of_specs_imports_torch_only_where_it_builds(path):
    at_top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in at_top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in at_top if isinstance(node, ast.ImportFrom)}
    assert not [name for name in names if name.split(".")[0] == "torch"]
    assert not [name for name in names if name.startswith("attnspace.modules.") and name != "attnspace.modules.words"]


def classes() -> set[type[nn.Module]]:
    """Every module class that the room of modules defines."""
    files = [importlib.import_module(f"attnspace.modules.{path.stem}") for path in MODULES.glob("[!_]*.py")]
    defined = [
        thing for file in files for thing in vars(file).values() if getattr(thing, "__module__", "") == file.__name__
    ]
    return {thing for thing in defined if isinstance(thing, type) and issubclass(thing, nn.Module)}


def built() -> Iterator[nn.Module]:
    """The published blocks, one that begins as the identity, and random ones."""
    for name in published():
        yield build(name, usual_channels(load_spec(name)))
    yield build({"kind": "rezero", "block": load_spec("se").model_dump()}, 64)
    for seed in range(1_000):
        with suppress(SpecError):
            yield build(parse_spec(any_spec(seed)), 8)


def test_every_module_is_built_by_some_spec():
    left = classes()
    assert len(left) > 30
    for module in built():
        left -= set(map(type, module.modules()))
        if not left:
            break
    assert left == set()
