"""Models of timm, of torchvision and of the user's, as backbones."""

import importlib
import subprocess
import sys
import urllib.error
from typing import Any

import pytest
import timm
import torch
import torchvision
from pydantic import BaseModel, ConfigDict
from torch import nn

from attnspace import Placement, PlacementError, StudyError, cost, insert, plan, slots
from attnspace.backbones import (
    Backbone,
    ImportConfig,
    MobileNetV2Config,
    ResNetConfig,
    TimmConfig,
    TorchvisionConfig,
)
from attnspace.documents.validation import validate
from attnspace.placement.insertion import insert_at


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    backbone: Backbone


def read(data: Any) -> Any:
    return validate(Section, {"backbone": data}, StudyError).backbone


def message(config, in_channels=3, num_classes=10) -> str:
    with pytest.raises((StudyError, PlacementError)) as raised:
        config.make(in_channels, num_classes, (32, 32))
    return str(raised.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, ResNetConfig()),
        ({"depth": 14}, ResNetConfig(depth=14)),
        ({"kind": "mobilenet_v2", "width": 0.5}, MobileNetV2Config(width=0.5)),
        ({"kind": "timm", "model": "resnet18", "slots": {"a": "b"}}, TimmConfig(model="resnet18", slots={"a": "b"})),
        ({"kind": "torchvision", "model": "resnet18"}, TorchvisionConfig(model="resnet18")),
        ({"import": "a.b:c", "args": {"x": 1}}, ImportConfig(**{"import": "a.b:c", "args": {"x": 1}})),
    ],
)
def test_a_section_is_read_by_its_kind_and_written_back(data, expected):
    config = read(data)
    assert config == expected
    assert read(config.model_dump(mode="json")) == config
    assert Section(backbone=config).model_dump(mode="json")["backbone"] == config.model_dump(mode="json")


def test_unknown_kinds_and_slots_that_are_none_are_refused():
    with pytest.raises(StudyError, match=r"backbone\.kind: unknown kind 'tim'; .*did you mean 'timm'"):
        read({"kind": "tim", "model": "x"})
    with pytest.raises(StudyError, match=r"backbone\.slots\.a: names no modules; allowed: after, before or type"):
        read({"kind": "timm", "model": "x", "slots": {"a": {}}})


def test_a_timm_resnet_has_slots_and_takes_blocks_and_any_number_of_channels():
    config = TimmConfig(model="resnet18", args={"drop_path_rate": 0.1})
    model = config.make(2, 7, (32, 32))
    assert model.input_shape == (2, 32, 32)
    available = slots(model, model.input_shape)
    assert [(s.stage, s.block) for s in available if s.position == "residual"] == [
        (s, b) for s in (1, 2, 3, 4) for b in (1, 2)
    ]
    assert {s.position for s in available} == {"pre", "residual", "post_add"}
    plain = cost(model, model.input_shape).params
    insert_at(model, plan(available, Placement(stages=(4,)), "se"), available)
    assert cost(model, model.input_shape).params - plain == 2 * (2 * 512 * 32)
    assert model(torch.randn(2, 2, 32, 32)).shape == (2, 7)


def test_a_torchvision_mobilenet_has_slots_and_takes_blocks():
    model = TorchvisionConfig(model="mobilenet_v2", args={"width_mult": 0.25}).make(3, 7, (32, 32))
    available = slots(model, (3, 32, 32))
    assert {s.position for s in available} == {"depthwise", "residual"}
    insert(model, {s.name: "eca" for s in available if s.position == "depthwise"}, (3, 32, 32))
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 7)


CONFIGS = [
    TimmConfig(model="resnet18"),
    TorchvisionConfig(model="resnet18"),
    MobileNetV2Config(width=0.25),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_weights_are_drawn_from_the_global_stream_and_none_on_meta(config):
    def drawn(seed):
        torch.manual_seed(seed)
        return config.make(3, 10, (32, 32)).state_dict()

    one, same, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    with torch.device("meta"):
        model = config.make(3, 10, (32, 32))
    assert {name: value.shape for name, value in model.state_dict().items()} == {n: v.shape for n, v in one.items()}


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_names_of_weights_are_the_librarys(library):
    config = {"timm": TimmConfig, "torchvision": TorchvisionConfig}[library](model="resnet18")
    with torch.device("meta"):
        theirs = timm.create_model("resnet18") if library == "timm" else torchvision.models.resnet18()
        ours = config.make(3, 1000)
        available = slots(ours, (3, 224, 224))
        insert_at(ours, {s.name: "se" for s in available}, available)
    kept = theirs.state_dict()
    assert set(kept) < set(ours.state_dict())
    assert all(".attention" in name for name in set(ours.state_dict()) - set(kept))


FAULTS = {
    "an unknown model of timm": (
        TimmConfig(model="resnet_18"),
        "model: timm has no such model; got \"resnet_18\"; did you mean 'resnet18'?",
    ),
    "an unknown model of torchvision": (
        TorchvisionConfig(model="zzzz"),
        'model: torchvision has no such model; got "zzzz"; see torchvision.models.list_models()',
    ),
    "a detector": (
        TorchvisionConfig(model="fasterrcnn_resnet50_fpn"),
        'model: torchvision has no such model; got "fasterrcnn_resnet50_fpn"; ',
    ),
    "an argument that is given": (
        TimmConfig(model="resnet18", args={"num_classes": 3}),
        "args.num_classes: is not for args: it is given already; got 3",
    ),
    "an argument that it does not take": (
        TimmConfig(model="resnet18", args={"colour": 3}),
        "model: raises TypeError when called: ",
    ),
    "a family that is not known": (
        TimmConfig(model="selecsls42"),
        "slots: the blocks of selecsls42 are not known; say where its slots are, such as slots: {post_add: "
        "{after: features.*.conv*, fitting: true}}",
    ),
    "images that are too small": (
        TimmConfig(model="deit_tiny_patch16_224"),
        "the model cannot be run for its shapes: AssertionError: Input height (32) doesn't match model (224).; got [3, 32, 32]",
    ),
    "a transformer of tokens": (
        TimmConfig(model="deit_tiny_patch16_224", args={"img_size": 32}),
        "slots: the blocks of deit_tiny_patch16_224 are not known; its blocks hand on no maps, such as those of a "
        "transformer of tokens: choose another model",
    ),
    "a pattern that matches nothing": (
        TimmConfig(model="resnet18", slots={"residual": "layer*.*.bn9"}),
        'slots.residual: matches no module; got "layer*.*.bn9"; ',
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_name_their_place_in_the_section(case):
    config, expected = FAULTS[case]
    with torch.device("meta"):
        assert message(config).startswith(expected)


def test_torchvision_takes_images_in_colour():
    assert message(TorchvisionConfig(model="resnet18"), in_channels=1) == (
        "kind: torchvision's models take images of 3 channels; got 1; "
        "use a model of timm, which takes any number, or images in colour"
    )


@pytest.fixture
def fetched(monkeypatch):
    """Weights that torchvision would fetch: those of a model of its own, made here."""
    torch.manual_seed(5)
    kept = torchvision.models.resnet18().state_dict()
    enum = torchvision.models.ResNet18_Weights
    monkeypatch.setattr(enum, "get_state_dict", lambda self, *args, **kwargs: kept)
    return kept


@pytest.mark.parametrize("num_classes", [1000, 4])
def test_weights_are_kept_but_for_another_number_of_classes(fetched, num_classes):
    model = TorchvisionConfig(model="resnet18", pretrained=True).make(3, num_classes, (32, 32))
    found = model.state_dict()
    same = {
        name for name in fetched if found[name].shape == fetched[name].shape and torch.equal(found[name], fetched[name])
    }
    assert set(fetched) - same == (set() if num_classes == 1000 else {"fc.weight", "fc.bias"})
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, num_classes)


def test_a_classifier_that_is_no_linear_layer_is_not_replaced(monkeypatch):
    kept = torchvision.models.squeezenet1_1().state_dict()
    enum = torchvision.models.SqueezeNet1_1_Weights
    monkeypatch.setattr(enum, "get_state_dict", lambda self, *args, **kwargs: kept)
    assert message(TorchvisionConfig(model="squeezenet1_1", pretrained=True, slots={"a": "features.3"})) == (
        "pretrained: squeezenet1_1 has no linear layer to replace for 10 classes; pretrained: false"
    )


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch, library):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", offline)
    monkeypatch.setattr(timm, "create_model", offline)
    config = {"timm": TimmConfig, "torchvision": TorchvisionConfig}[library](model="resnet18", pretrained=True)
    assert message(config) == (
        "pretrained: the weights of resnet18 cannot be fetched: <urlopen error no route>; pretrained: false, "
        "or run once with internet, so that they lie in the library's cache"
    )


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_library_that_is_missing_is_named(monkeypatch, library):
    real = importlib.import_module

    def without(name, *args):
        if name == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", without)
    config = {"timm": TimmConfig, "torchvision": TorchvisionConfig}[library](model="resnet18")
    assert message(config) == f"kind: {library} is not installed; pip install -c constraints.txt 'attnspace[timm]'"


def test_a_library_that_does_not_fit_torch_is_named(monkeypatch):
    def broken(name, *args):
        raise RuntimeError("undefined symbol")

    monkeypatch.setattr(importlib, "import_module", broken)
    assert message(TimmConfig(model="resnet18")).startswith("kind: torchvision cannot be imported: undefined symbol; ")


def test_libraries_are_imported_only_where_they_are_asked_for():
    """And in a process of its own, where torchvision may be a build that does not fit torch's."""
    code = """
import sys
import attnspace.backbones as b
assert not {"timm", "torchvision"} & set(sys.modules)
import torch
with torch.device("meta"):
    assert b.TimmConfig(model="resnet18").make(3, 10).fc.out_features == 10
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert not done.stderr
    assert done.returncode == 0


MODELS = """
from torch import nn

from attnspace import Site


def plain(in_channels, num_classes, width=4):
    return nn.Sequential(nn.Conv2d(in_channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def sited(in_channels, num_classes):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), Site(1, 1, "middle"), nn.AdaptiveAvgPool2d(1))


def nothing(in_channels, num_classes):
    return None


def raising(in_channels, num_classes):
    raise ValueError("not today")
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "models.py").write_text(MODELS)

    def config(name, **fields):
        return ImportConfig(**{"import": f"models.py:{name}", **fields}).located(tmp_path)

    return config


def test_a_model_of_the_users_gets_slots_or_has_its_own(own):
    model = own("plain", args={"width": 6}, slots={"middle": "1"}).make(2, 5, (9, 9))
    assert model(torch.randn(1, 2, 9, 9)).shape == (1, 5)
    found = slots(model, (2, 9, 9)) + slots(own("sited").make(2, 5, (9, 9)), (2, 9, 9))
    assert [(s.name, s.position, s.channels) for s in found] == [("1.attention", "middle", 6), ("1", "middle", 4)]


def test_a_backbone_without_the_default_position_names_its_own(own):
    with pytest.raises(PlacementError) as raised:
        plan(slots(own("sited").make(2, 5), (2, 9, 9)), Placement(), "eca")
    assert str(raised.value) == "placement.position: position 'residual' does not exist; allowed: middle"
    with pytest.raises(PlacementError) as raised:
        plan(slots(own("plain").make(2, 5), (2, 9, 9)), Placement(), "eca")
    assert str(raised.value) == (
        "placement: the backbone has no free slot where a block could stand; say where slots are to be opened: in a "
        "study with backbone.slots, such as slots: {post_add: {after: 'layer*'}}; in Python with attnspace.add_sites"
    )


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("nothing", {}, 'import: returns no torch.nn.Module; got "NoneType"'),
        ("raising", {}, "import: raises ValueError when called: not today; got "),
        ("plain", {"args": {"wdth": 1}}, "import: raises TypeError when called: "),
        ("plain", {"args": {"num_classes": 1}}, "args.num_classes: is not for args: it is given already; got 1"),
        ("plain", {"slots": {"a": "7"}}, 'slots.a: matches no module; got "7"; '),
        ("plains", {}, "import: has no 'plains'; got "),
    ],
)
def test_faults_of_the_users_function_are_named(own, name, fields, expected):
    assert message(own(name, **fields)).startswith(expected)


def test_other_backbones_need_no_locating(tmp_path):
    assert ResNetConfig().located(tmp_path) == ResNetConfig()
    assert isinstance(ResNetConfig(depth=8).make(1, 2), nn.Module)
