import random

import pytest

from attnspace import SpaceError
from attnspace.space.filling import (
    answered,
    drawn,
    enumerated,
    filled,
    filling_at,
    near,
    settled,
    size,
    valid_answer,
)
from attnspace.space.holes import compile_template
from attnspace.space.space import Space
from attnspace.space.template import Fixed, Hole, Interval
from tests.space.spaces import GATE, REPEATED, SPACES

templates = pytest.mark.parametrize("template", [compile_template(data) for data in SPACES.values()], ids=SPACES)


def random_fillings(template, count: int = 40):
    rng = random.Random(0)
    return [filled(template, lambda hole: drawn(hole, rng)) for _ in range(count)]


def refuse(hole):
    raise AssertionError(f"{hole.name} is asked for")


@templates
def test_choices_give_their_filling_again(template):
    for filling in random_fillings(template):
        assert answered(template, filling.choices) == filling


@templates
def test_a_template_with_every_choice_settled_asks_for_nothing_and_is_the_filling(template):
    for filling in random_fillings(template):
        whole = settled(template, filling.choices)
        assert size(whole) == 1
        assert filled(whole, refuse).data == filling.data


def test_settling_some_holes_leaves_the_others_open_with_their_names():
    part = settled(compile_template(GATE), {"excite.0": "conv1d"})
    fillings = [filling for filling in enumerated(compile_template(GATE)) if filling.choices["excite.0"] == "conv1d"]
    assert [filling.data for filling in enumerated(part)] == [filling.data for filling in fillings]
    assert {"excite.0", *(next(enumerated(part)).choices)} == set(fillings[0].choices)


@pytest.mark.parametrize("data", [GATE, REPEATED], ids=["gate", "repeated"])
def test_an_index_stands_for_the_same_filling_as_its_choices(data):
    template = compile_template(data)
    fillings = list(enumerated(template))
    assert len(fillings) == template.count
    for index, filling in enumerate(fillings):
        assert filling == filling_at(template, index) == answered(template, filling.choices)
        assert list(filling.choices) == list(answered(template, filling.choices).choices)  # outer ones first


def test_the_first_part_of_a_record_changes_fastest_and_options_follow_one_another():
    space = Space({"a": {"$choice": [{"b": {"$int": [1, 2]}}, "none"]}, "c": {"$int": [7, 8]}})
    one = [{"b": 1}, {"b": 2}, "none"]
    assert [filling.data for filling in space.enumerate()] == [{"a": a, "c": c} for c in (7, 8) for a in one]


@pytest.mark.parametrize("index", [-1, 3, 10**20])
@pytest.mark.parametrize("data", [{"$int": [1, 3]}, {"a": {"$int": [1, 3]}}, [{"$int": [1, 3]}, 5]])
def test_an_index_outside_the_space_is_refused(data, index):
    with pytest.raises(IndexError, match=f"no such filling: {index} is not from 0 to 2"):
        Space(data).at(index)


def test_a_sample_is_one_random_index_and_one_random_number_for_each_interval():
    space, reference = Space(SPACES["numbers"]), random.Random(5)
    a, b, inner, _ = space.holes()
    for filling in [space.sample(rng) for rng in [random.Random(5)] for _ in range(30)]:
        index = reference.randrange(4)
        assert filling.data["a"] == a.at(reference.random())
        assert filling.data["b"][0] == b.at(reference.random())
        assert filling.choices[inner.name] == inner.labels[0 if index < 3 else 1]


@templates
def test_near_fillings_keep_what_is_chosen_and_draw_the_rest(template):
    for filling in random_fillings(template, 10):
        names = list(filling.choices)
        kept = {name: filling.choices[name] for name in names[: len(names) // 2]}
        found = near(template, kept, random.Random(1))
        assert kept.items() <= found.choices.items()
        assert near(template, filling.choices, random.Random(1)) == filling


@pytest.mark.parametrize(
    ("hole", "answer"),
    [
        (Hole("h", (1, 2), (Fixed(1), Fixed(2))), 3),
        (Hole("h", (1, 2), (Fixed(1), Fixed(2))), True),
        (Hole("h", (1, 2), (Fixed(1), Fixed(2))), [1]),
        (Interval("h", 0.0, 1.0), 2),
        (Interval("h", 0.0, 1.0), True),
        (Interval("h", 0.0, 1.0), "0.5"),
        (Interval("h", 0.0, 1.0), float("nan")),
    ],
)
def test_what_is_no_option_is_no_answer(hole, answer):
    assert answered(hole, {"h": answer}) is None
    assert answered(hole, {}) is None
    with pytest.raises(LookupError, match="h"):
        valid_answer(hole, {"h": answer})


def test_numbers_have_no_index():
    template = compile_template(SPACES["numbers"])
    for use in (lambda: enumerated(template), lambda: filling_at(template, 0)):
        with pytest.raises(SpaceError, match=r"a is a \$float: the space has no end"):
            use()
