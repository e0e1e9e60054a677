"""The documents say what is true: their Python runs, their YAML and JSON is valid, their commands and links exist."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

import attnspace
from attnspace.backbones.libraries import imported
from attnspace.cli import app
from attnspace.study.config import load_config
from tests.documented import ROOT, blocks

DOCUMENTS = ("README.md", "attnspace/primitives/README.md", "studies/README.md", "tests/benchmarks/README.md")
LINKED = (*DOCUMENTS, "CONTRIBUTING.md", "CHANGELOG.md", "attnspace/published/README.md")
TEXTS = {document: (ROOT / document).read_text("utf-8") for document in LINKED}
SMALL = {"name": "small", "space": {"block": {"$any": "gate"}}}
SECTIONS = ("data", "backbone", "space", "baselines", "objective", "train", "search", "confirm")


@pytest.fixture(scope="module")
def _timm():
    """timm is imported as backbones import it: without torchvision's operators where those do not fit torch."""
    imported("timm")


@pytest.fixture
def printed(request, tmp_path, monkeypatch, capsys, tiny):
    """Runs the Python of a document in a folder that has a small study `mine.yaml`: what it prints, and its names."""
    monkeypatch.chdir(tmp_path)
    mine = {**tiny, "name": "mine", "confirm": {"top": 1, "seeds": 2}}
    Path("mine.yaml").write_text(yaml.safe_dump(mine))

    def run(document: str) -> tuple[str, dict]:
        names: dict = {"__name__": "__main__"}
        for block in blocks(document, "python"):
            exec(compile(block, document, "exec"), names)
        return capsys.readouterr().out, names

    return run


def test_what_the_python_of_the_readme_prints_is_in_it(printed):
    out, _ = printed("README.md")
    assert out.strip()
    assert out.strip() in TEXTS["README.md"]


@pytest.mark.usefixtures("_timm")
def test_the_python_of_the_language_runs(printed):
    out, names = printed("attnspace/primitives/README.md")
    lines = out.splitlines()
    assert len(lines) == 3
    assert all(f"# {line}" in TEXTS["attnspace/primitives/README.md"] for line in lines)
    assert Path("sk.onnx").exists()
    assert names["source"].count("class CaOfficial(nn.Module):") == 1


@pytest.mark.usefixtures("_timm")
def test_the_python_of_the_studies_runs(printed):
    out, names = printed("studies/README.md")
    assert "8 trainings this time" in out
    assert names["confirmed"].sentence in out
    assert names["space"].size() == 3
    assert (names["table"]["phase"] == "search").sum() == 8
    assert Path("runs/mine/report.html").exists()


def test_the_python_of_the_benchmarks_runs(printed):
    printed("tests/benchmarks/README.md")


YAML = [(document, number, text) for document in DOCUMENTS for number, text in enumerate(blocks(document, "yaml"))]


@pytest.mark.parametrize(("document", "number", "text"), YAML, ids=lambda value: str(value)[:30])
def test_yaml_is_a_study_or_sections_of_one(document, number, text, tmp_path):
    data = yaml.safe_load(text)
    if set(data) == {"slots"}:
        data = {"backbone": {"kind": "timm", "model": "resnet18", **data}}
    assert "name" in data or set(data) <= set(SECTIONS), data
    path = tmp_path / "study.yaml"
    path.write_text(text if "name" in data else yaml.safe_dump(SMALL | data))
    config, _ = load_config(path)
    for section in set(data) & set(SECTIONS):
        assert section in config.model_fields_set


def test_the_study_of_all_defaults_says_all_defaults(tmp_path):
    (text,) = (text for _, _, text in YAML if "name: defaults" in text)
    (tmp_path / "said.yaml").write_text(text)
    (tmp_path / "unsaid.yaml").write_text(yaml.safe_dump({**SMALL, "name": "defaults"}))
    said, unsaid = (load_config(tmp_path / name)[0].plain() for name in ("said.yaml", "unsaid.yaml"))
    assert said == unsaid
    written = yaml.safe_load(text)
    for section in ("train", "search", "confirm", "baselines"):
        assert set(written[section]) == set(said[section]) - {"kind"}, section


def test_the_short_study_has_as_many_designs_as_the_readme_says(tmp_path):
    from attnspace.study.loading import space_of

    (tmp_path / "mine.yaml").write_text(blocks("README.md", "yaml")[0])
    size = space_of(load_config(tmp_path / "mine.yaml")[0]).size()
    assert f"{size} designs" in TEXTS["README.md"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_json_is_a_spec(document):
    for text in blocks(document, "json"):
        assert attnspace.build(attnspace.parse_spec(json.loads(text)), 64)


def test_the_specs_of_the_language_are_the_blocks_that_it_says():
    se, cbam = map(json.loads, blocks("attnspace/primitives/README.md", "json"))
    assert attnspace.identity(se) == attnspace.identity("se")
    assert attnspace.identity(cbam) == attnspace.identity("cbam")


def commands(text: str) -> list[list[str]]:
    """The commands of a document that begin with `attnspace`, in shell blocks and in spans of code, as words."""
    shell = [
        part
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for part in re.split(r"\n|&&", block)
    ]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))
    found = [line.strip() for line in (*shell, *spans) if re.match(r"\s*attnspace [a-z]", line)]
    return [shlex.split(re.sub(r"[\[\]]", " ", line.replace("\\|", "|").split(" > ")[0]))[1:] for line in found]


@pytest.mark.parametrize("document", ["README.md", *DOCUMENTS[1:], "CONTRIBUTING.md", "CHANGELOG.md"])
def test_commands_and_their_options_exist(document):
    group = typer.main.get_command(app)
    for name, *words in commands(TEXTS[document]):
        assert name in group.commands, f"attnspace {name}"
        known = {option for parameter in group.commands[name].params for option in parameter.opts}
        for word in words:
            if word.startswith("--"):
                assert word in known, f"attnspace {name} {word}"
            if word.startswith("studies/"):
                assert (ROOT / word).exists(), word


def test_the_commands_of_the_readme_are_all_there_are():
    group = typer.main.get_command(app)
    rows = re.findall(r"^\| `attnspace (\w+)", TEXTS["README.md"], re.MULTILINE)
    assert sorted(rows) == sorted(group.commands)
    assert {"search", "confirm", "migrate", "report"} <= {name for name, *_ in commands(TEXTS["studies/README.md"])}


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", LINKED)
def test_every_link_leads_somewhere(document):
    here = ROOT / document
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[document]):
        file, _, anchor = target.partition("#")
        path = (here.parent / file).resolve() if file else here
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), target


@pytest.mark.parametrize("document", DOCUMENTS[1:])
def test_the_table_of_contents_lists_every_section(document):
    text = TEXTS[document]
    sections = re.findall(r"^## (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    listed = re.findall(r"\[([^\]]+)\]\(#", text.split("\n## ")[0])
    assert listed == sections


def test_the_readme_is_read_in_one_sitting():
    lines = TEXTS["README.md"].splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120] == []
    assert sum(line.startswith("pip install ") for line in lines) == 2  # `.ci/run` gives these


def test_the_readme_names_the_version_that_it_is_of():
    assert f"version = {{{attnspace.__version__}}}" in TEXTS["README.md"]
