"""README's Python runs as it stands."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
PYTHON = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "runs/" not in block]


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in PYTHON:
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out.strip()
    assert printed
    assert printed in README
    assert (tmp_path / "sk.onnx").exists()
    assert names["source"].count("class CaOfficial(nn.Module):") == 1


def test_every_link_of_the_readme_leads_somewhere():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (root / target).exists(), target
