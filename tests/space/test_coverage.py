import pytest

from attnspace import SpaceError
from attnspace.space.coverage import EXHAUSTED, check_options
from attnspace.space.holes import compile_template
from attnspace.space.space import Space
from attnspace.space.template import Interval
from tests.space.spaces import GATE, REPEATED, SPACES

DEEP = {
    "wide": [{"$int": [1, 9]}, {"$int": [1, 9]}, {"$int": [1, 9]}],
    "outer": {"$choice": [{"inner": {"$choice": [{"core": {"$choice": ["p", "q"]}}, "nothing"]}}, "other"]},
}


def test_every_option_of_numbers_and_repeats_is_tried():
    def no_sevens(filling):
        if {"k": 7} in filling.data["blocks"]:
            raise SpaceError("seven")

    with pytest.raises(SpaceError, match=r"with blocks\.1\.0\.k = 7, no design is valid: seven"):
        Space(REPEATED).check(no_sevens)

    def small(filling):
        if filling.data["a"] > 1:
            raise SpaceError("large")

    with pytest.raises(SpaceError, match=r"with a = 2\.0, none of 200 random designs is valid; the first: large"):
        Space({"a": {"$float": [0, 2]}}).check(small)


@pytest.mark.parametrize("data", [DEEP, SPACES["any"], SPACES["numbers"]], ids=["deep", "any", "numbers"])
def test_every_option_of_a_large_space_is_tried_however_seldom_a_random_design_has_it(data):
    space, tried = Space(data), set()
    assert space.size() > EXHAUSTED
    space.check(lambda filling: tried.update((name, repr(answer)) for name, answer in filling.choices.items()))
    for hole in space.holes():
        labels = (hole.low, hole.high) if isinstance(hole, Interval) else hole.labels
        assert {(hole.name, repr(label)) for label in labels} <= tried


def test_an_option_deep_inside_is_named_with_its_whole_path():
    def use(filling):
        if filling.choices.get("outer[mapping].inner[mapping].core") == "q":
            raise SpaceError("no q")

    name = r"outer\[mapping\]\.inner\[mapping\]\.core"
    with pytest.raises(SpaceError, match=f"with {name} = q, none of 200 random designs is valid; the first: no q"):
        Space(DEEP).check(use)


def test_of_a_small_space_every_filling_is_tried_once():
    tried = []
    check_options(compile_template(GATE), lambda filling: tried.append(str(filling.data)))
    assert sorted(tried) == sorted(str(filling.data) for filling in Space(GATE).enumerate())


MERGES = {"$choice": ["logit_sum", "gate_sum"]}


def refusing(*merges):
    def use(filling):
        if filling.data["merge"] in merges:
            raise SpaceError("refused")

    return use


def test_an_option_that_is_not_possible_is_a_fault_where_the_user_wrote_it():
    with pytest.raises(SpaceError, match="with merge = logit_sum, no design is valid: refused"):
        Space({"kind": "gate", "merge": MERGES}).check(refusing("logit_sum"))


def test_of_what_any_offers_one_option_of_each_hole_has_to_be_possible():
    space = Space({"$any": "gate"})
    space.check(refusing("logit_sum"))
    with pytest.raises(SpaceError, match="none of 200 random designs is valid; the first: refused"):
        space.check(refusing("logit_sum", "gate_sum", "gate_product"))


def test_a_design_that_is_accepted_speaks_for_every_option_that_it_holds():
    space, tried = Space({"kind": "sequential", "blocks": [{"$any": "gate"}] * 5}), []
    space.check(tried.append)
    assert len(tried) < sum(len(hole.labels) for hole in space.holes()) / 3
    held = {(name, repr(answer)) for filling in tried for name, answer in filling.choices.items()}
    assert {(hole.name, repr(label)) for hole in space.holes() for label in hole.labels} <= held
