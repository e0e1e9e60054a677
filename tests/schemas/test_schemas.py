import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import attnspace
import attnspace.language.specs
from attnspace.documents.reading import read
from attnspace.documents.validation import validate
from attnspace.errors import SpaceError, StudyError
from attnspace.schemas import spec_schema, study_schema
from attnspace.space.space import Space
from attnspace.study.config import StudyConfig, load_config
from attnspace.study.loading import space_of

PACKAGE = Path(attnspace.__file__).parent
STUDIES = PACKAGE.parent / "studies"
SPEC, STUDY = Draft202012Validator(spec_schema()), Draft202012Validator(study_schema())


@pytest.mark.parametrize(("name", "schema"), [("spec", spec_schema()), ("study", study_schema())])
def test_the_shipped_schema_is_current_and_valid(name, schema):
    """If this fails: `attnspace schema NAME > attnspace/schemas/NAME.json`."""
    assert json.loads((PACKAGE / "schemas" / f"{name}.json").read_text()) == schema
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "path",
    sorted((PACKAGE / "published").glob("*.json")) + sorted((STUDIES / "specs").glob("*.json")),
    ids=lambda p: p.stem,
)
def test_every_shipped_spec_is_valid_and_refers_to_its_schema(path):
    data = json.loads(path.read_text())
    SPEC.validate(data)
    assert (path.parent / data["$schema"]).resolve() == PACKAGE / "schemas" / "spec.json"


@pytest.mark.parametrize("path", sorted([*STUDIES.glob("*.yaml"), *STUDIES.glob("loops/*.yaml")]), ids=lambda p: p.stem)
def test_every_shipped_study_is_valid_and_refers_to_its_schema(path):
    STUDY.validate(yaml.safe_load(path.read_text()))
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.split("=", 1)[1]).resolve() == PACKAGE / "schemas" / "study.json"


def test_shipped_settings_make_a_valid_study():
    study = read(STUDIES / "cifar.yaml", StudyError)
    config, _ = load_config(STUDIES / "cifar.yaml", STUDIES / "settings" / "cifar-cpu.yaml")
    assert (config.name, config.train.epochs) == ("cifar10-cpu", 9)
    assert config.train.augment.model_dump(exclude_defaults=True) == {"shift": 1, "flip": True}  # of smaller images
    assert config.train.label_smoothing == study.data["train"]["label_smoothing"]


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "gat"},
        {"kind": "gate"},
        {"kind": "gate", "squeeze": {"kind": "none"}, "colour": 1},
        {"kind": "gate", "squeeze": {"kind": "global", "stats": ["avgg"]}},
        {"kind": "gate", "squeeze": {"kind": "none"}, "excite": [{"kind": "fc", "reduction": "16"}]},
    ],
)
def test_the_schema_refuses_what_the_parser_refuses(data):
    assert list(SPEC.iter_errors(data))
    with pytest.raises(attnspace.SpecError):
        attnspace.parse_spec(data)


@pytest.mark.parametrize(
    "block",
    [
        {"$any": "gate"},
        {"$published": "se"},
        {"kind": "gate", "squeeze": {"kind": "global", "stats": {"$subset": ["avg", "max"]}}},
        {
            "kind": "gate",
            "squeeze": {"kind": "none"},
            "excite": [{"$choice": [{"kind": "fc", "reduction": {"$int": [2, 8]}}]}],
        },
        {"kind": "gate", "squeeze": {"kind": {"$choice": ["global", "channel"]}, "stats": ["avg"]}},
        {"kind": "gate", "squeeze": {"kind": "none"}, "excite": [{"kind": "project", "out": 1}]},
        {
            "kind": "gate",
            "squeeze": {"kind": "directional", "stats": ["avg"]},
            "excite": [{"kind": "conv1d", "kernel": "adaptive"}],
        },
        {"per_stage": {"1": {"$any": "block"}, "2": {"kind": "identity"}}},
    ],
)
@pytest.mark.parametrize(
    "placement", [{"stages": {"$subset": [1, 2]}}, {"$choice": [{"every": 2}, {"position": "pre"}]}]
)
def test_a_study_may_have_holes_anywhere_in_its_space(block, placement):
    data = {"name": "a", "space": {"block": block, "placement": placement}}
    assert list(STUDY.iter_errors(data)) == []
    assert parsed(data).size() > 1


def parsed(data) -> Space:
    """The space of a study, as a search reads it."""
    return space_of(validate(StudyConfig, data, StudyError))


@pytest.mark.parametrize(
    "change",
    [
        {"trian": {}},
        {"name": 3},
        {"search": {"trials": 0}},
        {"space": {"block": {"$chioce": [1]}}},
        {"search": {"trials": {"$int": [1, 9]}}},  # holes are for the space
        {"train": {"$choice": [{"epochs": 1}, {"epochs": 2}]}},
    ],
)
def test_the_study_schema_refuses_what_the_parser_refuses(change):
    data = {"name": "a", "space": {"block": {"kind": "identity"}}, **change}
    assert list(STUDY.iter_errors(data))
    with pytest.raises((StudyError, SpaceError)):
        parsed(data)


def test_every_field_is_described_by_its_model():
    definitions = spec_schema()["$defs"]
    assert all(definition.get("description") for definition in definitions.values())


def fields(schema, at=""):
    """Path -> schema of every property that is written in a document."""
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield f"{at}.{name}", value
        for key, value in schema.items():
            yield from fields(value, f"{at}.{key}")
    elif isinstance(schema, list):
        for i, value in enumerate(schema):
            yield from fields(value, f"{at}.{i}")


@pytest.mark.parametrize("schema", [spec_schema(), study_schema()], ids=["spec", "study"])
def test_every_field_is_described_for_the_editor(schema):
    undescribed = [
        at
        for at, field in fields(schema)
        if not at.endswith(".kind") and not {"description", "$ref"} & field.keys() and ".Hole." not in at
    ]
    assert undescribed == []


@pytest.mark.parametrize("name", attnspace.published())
def test_what_a_field_may_be_is_said_where_an_editor_completes_it(name):
    """Every key of every published block is one that the schema lists for its kind."""
    definitions = spec_schema()["$defs"]
    keys = {d["properties"]["kind"]["const"]: set(d["properties"]) for d in definitions.values() if "kind" in d.get("properties", {}) and "const" in d["properties"]["kind"]}  # fmt: skip

    def check(node):
        if isinstance(node, dict):
            if "kind" in node:
                assert node.keys() <= keys[node["kind"]]
            for value in node.values():
                check(value)
        elif isinstance(node, list):
            for value in node:
                check(value)

    check(attnspace.language.specs.dump_spec(attnspace.load_spec(name)))
