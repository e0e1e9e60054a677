"""JSON Schemas of specs and studies, for editors.

`spec.json` and `study.json` beside this file are what the functions return; a test keeps them current.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from attnspace.documents.families import refresh
from attnspace.language.specs import SpecMeta, published
from attnspace.placement.placement import Placement
from attnspace.primitives import Block
from attnspace.primitives.node import families

__all__ = ["spec_schema", "study_schema"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def spec_schema() -> dict[str, Any]:
    """The schema of a spec file: a block, with its name, doc and source at the root."""
    blocks, definitions = _blocks()
    about = _about()
    for option in blocks:
        name = option["$ref"].rsplit("/", 1)[1]
        root = deepcopy(definitions[name])
        root["properties"] = {**about, **root["properties"]}
        definitions[f"{name}File"] = root
    definitions["Placement"] = Placement.model_json_schema()
    block = {"description": "The block, or one for each stage.", **_or_per_stage({"oneOf": blocks})}
    definitions["Design"] = {
        "description": "A block, or one for each stage, and where it stands: what a search writes to winner.json.",
        "type": "object",
        "properties": {
            **about,
            "placement": {"description": "Where the block stands.", "$ref": "#/$defs/Placement"},
            "block": block,
        },
        "required": ["block"],
        "additionalProperties": False,
    }
    return {
        "$schema": DRAFT,
        "title": "attnspace block spec",
        "oneOf": [*({"$ref": f"{option['$ref']}File"} for option in blocks), {"$ref": "#/$defs/Design"}],
        "$defs": definitions,
    }


def study_schema() -> dict[str, Any]:
    """The schema of a study file; under `space`, every value may be a hole."""
    from attnspace.study.config import StudyConfig  # which imports torch

    blocks, definitions = _blocks()
    study = StudyConfig.model_json_schema()
    own = study.pop("$defs")
    with_holes = {name: _with_holes(schema) for name, schema in definitions.items()}
    placement = deepcopy(own["Placement"])
    anything = {"anyOf": [*blocks, {"$ref": "#/$defs/Hole"}]}
    own["SpaceConfig"]["properties"]["block"] = {
        "description": "A block spec with holes, or per_stage: one for each stage.",
        **_or_per_stage(anything),
    }
    own["SpaceConfig"]["properties"]["placement"] = {
        "description": "Position, stages and every k-th block, with holes.",
        "anyOf": [_with_holes(placement), {"$ref": "#/$defs/Hole"}],
    }
    return {"$schema": DRAFT, **study, "title": "attnspace study", "$defs": {**own, **with_holes, "Hole": _hole()}}


def _or_per_stage(block: dict[str, Any]) -> dict[str, Any]:
    """A block, or one for each stage."""
    each = {
        "description": "Stage -> its block.",
        "type": "object",
        "propertyNames": {"pattern": "^[1-9][0-9]?$"},
        "minProperties": 1,
        "additionalProperties": block,
    }
    stages = {
        "type": "object",
        "properties": {"per_stage": each},
        "required": ["per_stage"],
        "additionalProperties": False,
    }
    return {"anyOf": [block, stages]}


def _blocks() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every kind of block, and the definitions they refer to; kind is required, as in the parser."""
    refresh()
    schema = Block.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    for definition in definitions.values():
        if "kind" in definition.get("properties", {}):
            definition["required"] = ["kind", *definition.get("required", [])]
            definition["properties"]["kind"].pop("default", None)
    return schema["oneOf"], definitions


def _about() -> dict[str, Any]:
    properties: dict[str, Any] = SpecMeta.model_json_schema(by_alias=True)["properties"]
    return properties


def _with_holes(schema: dict[str, Any]) -> dict[str, Any]:
    """The same model, where each value may be a hole."""
    properties = schema.get("properties")
    if not properties:
        return schema
    opened = {
        name: {**_said(value), "anyOf": [_items_with_holes(value), {"$ref": "#/$defs/Hole"}]}
        for name, value in properties.items()
    }
    return {**schema, "properties": opened}


def _said(schema: Any) -> dict[str, str]:
    """The description of what is wrapped, for editors that look no deeper."""
    return {"description": schema["description"]} if "description" in schema else {}


def _items_with_holes(schema: Any) -> Any:
    """Lists inside a value may hold holes too."""
    if isinstance(schema, list):
        return [_items_with_holes(option) for option in schema]
    if not isinstance(schema, dict):
        return schema
    # Where a kind is a hole, several members fit.
    opened = {
        "anyOf" if key == "oneOf" else key: _items_with_holes(value)
        for key, value in schema.items()
        if key != "discriminator"
    }
    if isinstance(schema.get("items"), dict):
        opened["items"] = {"anyOf": [opened["items"], {"$ref": "#/$defs/Hole"}]}
    return opened


def _hole() -> dict[str, Any]:
    from attnspace.space.holes import MAX_REPEATS  # which imports Optuna

    numbers = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
    count = {"type": "integer", "minimum": 0, "maximum": MAX_REPEATS}
    beside = {"$float": {"log": {"type": "boolean", "description": "Search its order of magnitude."}}}
    kinds = sorted([*families(), *Block.members, "excite"])
    forms = {
        "$choice": {"type": "array", "minItems": 1, "description": "One of these; they may hold holes."},
        "$int": {**numbers, "description": "A whole number from the first to the second, both included."},
        "$float": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 2,
            "maxItems": 2,
            "description": "A number.",
        },
        "$repeat": {
            "type": "object",
            "properties": {
                "of": {"description": "What is repeated; it may hold holes."},
                "min": {**count, "description": "At least so many."},
                "max": {**count, "description": "At most so many."},
            },
            "required": ["of"],
            "additionalProperties": False,
            "description": "A list of so many, each with holes of its own; inside a list, its items.",
        },
        "$subset": {"type": "array", "minItems": 1, "description": "A non-empty sub-list, in this order."},
        "$published": {"enum": published(), "description": "A published block."},
        "$any": {"enum": kinds, "description": "Everything registered, with the grids that it declares."},
    }
    return {
        "description": "A hole: what the search fills.",
        "oneOf": [
            {
                "type": "object",
                "properties": {mark: form, **beside.get(mark, {})},
                "required": [mark],
                "additionalProperties": False,
            }
            for mark, form in forms.items()
        ],
    }
