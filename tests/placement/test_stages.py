"""A stage has one number at all positions, that of its name where it has one."""

import pytest
from torch import nn

from attnspace import add_sites, slots

SHAPE = (3, 32, 32)


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs))


def named(**parts: nn.Module) -> nn.Sequential:
    model = nn.Sequential()
    for name, part in parts.items():
        model.add_module(name, part)
    return model


def stage(stride: int = 2) -> nn.Sequential:
    return nn.Sequential(conv(8, 8, stride), conv(8, 8))


def numbers(model: nn.Module, where: dict) -> dict[str, tuple[int, int]]:
    found = slots(add_sites(model, where, SHAPE), SHAPE)
    return {
        slot.name.removesuffix(".attention").removesuffix(".attention_before"): (slot.stage, slot.block)
        for slot in found
    }


def layers() -> nn.Module:
    return named(stem=conv(3, 8), layer1=stage(1), layer2=stage(), layer3=stage())


def test_a_stage_has_the_number_of_its_name_wherever_slots_are_opened():
    assert numbers(layers(), {"norm": "layer3.*.1"}) == {"layer3.0.1": (3, 1), "layer3.1.1": (3, 2)}
    assert numbers(layers(), {"end": "layer[23]"}) == {"layer2": (2, 1), "layer3": (3, 1)}
    found = numbers(layers(), {"norm": "layer[23].*.1", "conv": {"before": "layer*.*.0"}})
    assert {name: stage for name, (stage, _) in found.items()} == {
        f"layer{i}.{j}.{part}": i for i in (1, 2, 3) for j in (0, 1) for part in (0, 1) if i > 1 or part == 0
    }


def test_what_stands_in_no_stage_belongs_to_the_one_before_it():
    model = named(stem=conv(3, 8), layer1=stage(1), between=conv(8, 8), layer2=stage())
    found = numbers(model, {"norm": "layer*.*.1", "other": {"after": "*.1", "type": "BatchNorm2d"}})
    assert found["stem.1"] == (1, 1)
    assert found["between.1"] == (1, 2)
    assert found["layer2.0.1"] == (2, 1)


@pytest.mark.parametrize("pattern", ["stages.*.*.1", "stages.[12].*.1", "stages.2.0.1"])
def test_names_that_count_from_0_count_from_1(pattern):
    model = named(stem=conv(3, 8), stages=nn.Sequential(stage(), stage(), stage()))
    expected = 1 if pattern == "stages.2.0.1" else 3  # where no wildcard says what a stage is, it is not known
    assert numbers(model, {"norm": pattern})["stages.2.0.1"] == (expected, 1)


@pytest.mark.parametrize("pattern", ["*.layer*.*.1", "enc*.layer3.*.1", "**.layer[13].*.1"])
def test_the_part_with_a_number_is_the_stage(pattern):
    model = named(stem=conv(3, 8), encoder=named(layer1=stage(), layer2=stage(), layer3=stage()))
    assert numbers(model, {"norm": pattern})["encoder.layer3.0.1"] == (3, 1)


@pytest.mark.parametrize("pattern", ["layer*.*.1", "layer[12].*.1"])
def test_whether_names_count_from_0_does_not_depend_on_what_is_opened(pattern):
    model = named(stem=conv(3, 8), layer0=stage(), layer1=stage(), layer2=stage())
    assert numbers(model, {"norm": pattern})["layer2.0.1"] == (3, 1)


def test_a_list_that_begins_with_something_else_is_counted():
    model = named(features=nn.Sequential(conv(3, 8), stage(1), nn.MaxPool2d(2), stage(1)))
    assert numbers(model, {"norm": "features.*.*.1"}) == {
        "features.1.0.1": (1, 1), "features.1.1.1": (1, 2), "features.3.0.1": (2, 1), "features.3.1.1": (2, 2),
    }  # fmt: skip


def test_parts_of_two_lists_are_counted_through():
    model = named(
        stem=conv(3, 8),
        encoder=named(layer1=stage(), layer2=stage()),
        decoder=named(layer1=stage(1), layer2=stage(1)),
    )
    found = numbers(model, {"norm": "**.layer*.*.1"})
    assert [found[f"{part}.layer{i}.0.1"][0] for part in ("encoder", "decoder") for i in (1, 2)] == [1, 2, 3, 4]


@pytest.mark.parametrize("where", [{"end": "block*"}, {"end": "block?"}], ids=str)
def test_blocks_that_are_numbered_through_are_no_stages(where):
    model = named(stem=conv(3, 8), block1=stage(1), block2=stage(1), block3=stage(), block4=stage(1))
    assert numbers(model, where) == {"block1": (1, 1), "block2": (1, 2), "block3": (2, 1), "block4": (2, 2)}


def test_without_names_runs_of_one_resolution_are_stages_at_all_positions_together():
    model = nn.Sequential(conv(3, 8), conv(8, 8, 2), conv(8, 8), conv(8, 8, 2))
    found = numbers(model, {"norm": "[13].1", "pre": {"before": "2.0"}})
    assert found == {"1.1": (1, 1), "2.0": (1, 1), "3.1": (2, 1)}
