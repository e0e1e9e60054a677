"""A user's type checker sees the package's types."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
[mypy]
strict = true
[mypy-torch.*,optuna.*,pandas.*,pydantic.*,pydantic_core.*,sqlalchemy.*,numpy.*]
follow_imports = skip
[mypy-pyarrow.*,plotly.*,scipy.*,sklearn.*]
ignore_missing_imports = true
"""

USES = """
from pathlib import Path

import attnspace
from attnspace.backbones import ResNet

block: attnspace.Block = attnspace.load_spec("se")
shape: tuple[int, int, int] = (3, 32, 32)
found: list[attnspace.Slot] = attnspace.slots(ResNet(depth=8), shape)
params: int = attnspace.cost("cbam", shape).params
lines: list[str] = attnspace.diff("se", "cbam")
space: attnspace.Space = attnspace.load_space(Path("space.yaml"))
kept: bool = space.contains("eca")
ran: Path = attnspace.run_study("study.yaml").path
"""

MISUSES = {
    'attnspace.build("se", "64")': 'Argument 2 to "build" has incompatible type "str"; expected "int"',
    "attnspace.export_python('se', '64')": 'Argument 2 to "export_python" has incompatible type "str"',
    "attnspace.load_spec(3)": 'Argument 1 to "load_spec" has incompatible type "int"',
    "attnspace.identity('se').upper(1)": "Too many arguments",
    "attnspace.no_such_name": 'Module has no attribute "no_such_name"',
}


def checked(folder: Path, text: str) -> str:
    """What mypy says of a script that imports the package as it is installed."""
    (folder / "mypy.ini").write_text(CONFIG)
    (folder / "script.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", "cache", "script.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300).stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> str:
    text = USES + "".join(f"{call}\n" for call in MISUSES)
    return checked(tmp_path_factory.mktemp("typing"), text)


def test_the_package_says_that_it_is_typed():
    import attnspace

    assert (Path(attnspace.__file__).parent / "py.typed").exists()


def test_right_uses_pass_and_wrong_ones_are_named(said):
    first = USES.count("\n") + 1
    errors = dict(re.findall(r"^script\.py:(\d+): error: (.*)$", said, re.MULTILINE))
    wrong = {int(line): text for line, text in errors.items()}
    assert sorted(wrong) == list(range(first, first + len(MISUSES))), said
    for line, message in enumerate(MISUSES.values(), start=first):
        assert message in wrong[line]
