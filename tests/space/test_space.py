import json
import math
import random
import statistics

import optuna
import pytest
from pydantic_core import to_jsonable_python

from attnspace import SpaceError, SpecError, load_space, load_spec, parse_spec, save_spec
from attnspace.language.specs import dump_spec, read_spec
from attnspace.primitives import Block, grid_of
from attnspace.primitives.node import families
from attnspace.space.filling import drawn
from attnspace.space.space import Space
from tests.space.spaces import GATE, REPEATED


def test_size_counts_every_way_to_fill_the_holes():
    assert Space(GATE).size() == 3 * (2 + 3 + 2)
    assert Space({"a": {"$int": [2, 5]}, "b": {"$choice": [1, 2]}}).size() == 8
    assert Space({"a": 1}).size() == 1


def test_enumeration_gives_each_filling_once_and_each_parses():
    fillings = list(Space(GATE).enumerate())
    assert len({str(f.data) for f in fillings}) == len(fillings) == 21
    for filling in fillings:
        parse_spec(filling.data)


def test_parameters_are_named_by_their_path_and_mean_one_thing():
    names = [hole.name for hole in Space(GATE).holes()]
    assert names == [
        "squeeze.stats",
        "excite.0",
        "excite.0[fc].reduction",
        "excite.0[conv1d].kernel",
        "excite.0[project].bias",
    ]
    assert len(set(names)) == len(names)


def test_a_trial_is_asked_for_the_holes_on_its_way_only():
    trial = optuna.trial.FixedTrial({"squeeze.stats": "avg+max", "excite.0": "fc", "excite.0[fc].reduction": 8})
    filling = Space(GATE).suggest(trial)
    assert filling.data["excite"] == [{"kind": "fc", "reduction": 8}]
    assert filling.data["squeeze"]["stats"] == ["avg", "max"]
    assert dict(filling.choices) == trial.params


def test_true_and_one_are_different_options():
    space = Space({"$choice": [True, False, 0, 1]})
    assert [type(space.at(i).data) for i in range(4)] == [bool, bool, int, int]
    assert space.suggest(optuna.trial.FixedTrial({"": "true"})).data is True
    assert space.suggest(optuna.trial.FixedTrial({"": "1"})).data is not True


def test_samples_are_uniform_over_fillings():
    space, rng = Space(GATE), random.Random(0)
    kinds = [space.sample(rng).data["excite"][0]["kind"] for _ in range(2100)]
    assert abs(kinds.count("conv1d") - 900) < 120


def test_published_blocks_may_stand_anywhere():
    space = Space({"$choice": [{"$published": "se"}, {"kind": "sequential", "blocks": [{"$published": "cbam"}]}]})
    assert [parse_spec(f.data).kind for f in space.enumerate()] == ["gate", "sequential"]
    assert space.at(0).data == dump_spec(load_spec("se"))


def designs(data, count: int = 300) -> list:
    """Members of a space, drawn hole by hole, so that each option of a hole is as likely as another."""
    space, rng = Space(data), random.Random(0)
    return [space.filled(lambda hole: drawn(hole, rng)).data for _ in range(count)]


@pytest.mark.parametrize("family", ["block", "squeeze", "layer", "statistic"])
def test_any_of_a_family_offers_each_member_that_is_searched_and_no_other(family):
    searched = {kind for kind, member in families()[family].members.items() if member.searched}
    assert {data["kind"] for data in designs({"$any": family})} == searched


def test_any_excitation_is_a_list_of_any_layer():
    assert {len(data) for data in designs({"$any": "excite"})} == {1}
    kinds = {data["kind"] for (data,) in designs({"$any": "excite"})}
    assert kinds == {data["kind"] for data in designs({"$any": "layer"})}


@pytest.mark.parametrize("kind", Block.members)
def test_any_of_a_kind_offers_every_value_of_the_grid_of_every_field(kind):
    drawn_designs = designs({"$any": kind})
    assert {data["kind"] for data in drawn_designs} == {kind}
    for field in Block.members[kind].model_fields:
        grid = to_jsonable_python(grid_of(Block.members[kind], field))
        if grid:
            assert {json.dumps(data[field]) for data in drawn_designs} == set(map(json.dumps, grid))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": {"$chioce": [1]}}, r"a: unknown hole '\$chioce'; allowed: .*; did you mean '\$choice'"),
        ({"a": {"$choice": [1], "b": 2}}, r"a: \$choice takes no other key; .*; remove 'b'"),
        ({"a": {"$choice": []}}, r"a\.\$choice: should be a list of alternatives; got \[\]"),
        ({"a": {"$choice": 3}}, r"a\.\$choice: should be a list"),
        ({"a": {"$choice": [1, 2, 1]}}, r"a\.\$choice\.2: is listed twice; got 1"),
        ({"a": {"$int": [3, 1]}}, r"a\.\$int: should be two whole numbers, the smaller first; got \[3, 1\]"),
        ({"a": {"$int": [0, 10**7]}}, r"a\.\$int: spans too many numbers"),
        ({"a": {"$int": [0.5, 2]}}, r"a\.\$int: should be two whole numbers"),
        ({"a": {"$subset": list(range(20))}}, r"a\.\$subset: has too many items; allowed: up to 10"),
        ({"a": {"$subset": [{"$int": [1, 2]}]}}, r"a\.\$subset: items of a subset hold no holes"),
        ({"a": {"$published": "cbm"}}, r"a\.\$published: no published block is named 'cbm'.*did you mean 'cbam'"),
        ({"a": {"$published": 3}}, r"a\.\$published: should be the name"),
        ({"a": {"$any": "gates"}}, r"a\.\$any: should be a family or a kind .*; did you mean 'gate'"),
        ({"a": {"$choice": [{"b": {"$int": 3}}]}}, r"a\.\$choice\.0\.b\.\$int"),
    ],
)
def test_faulty_holes_are_refused_with_their_place(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        Space(data)
    assert isinstance(caught.value, SpaceError) or "published" in message


def test_a_space_file_names_file_and_line(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("kind: gate\nsqueeze:\n  kind: none\nexcite:\n  - {$choice: 3}\n")
    with pytest.raises(SpaceError, match=r"space\.yaml:5: excite\.0\.\$choice: should be a list"):
        load_space(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "  zero_init: {$choice: [true, false]}",
            r"space\.yaml:7: block\.zero_init: unknown key 'zero_init'; got true",
        ),
        (
            "  activation: {$choice: [sigmoid, sigmod]}",
            r"with block\.activation = sigmod, no design is valid: .*'sigmoid'",
        ),
        ("  activation: {$choice: [sigmod, sigmo]}", r"space\.yaml:7: block\.activation: .*'sigmoid'"),
    ],
)
def test_a_space_with_an_option_of_no_valid_block_is_refused_as_it_is_loaded(change, message, tmp_path):
    path = tmp_path / "space.yaml"
    gate = "block:\n  kind: gate\n  squeeze: {kind: global, stats: [avg]}\n  excite:\n    - kind: fc\n"
    path.write_text(f"{gate}      reduction: {{$int: [2, 8]}}\n{change}\n")
    with pytest.raises(SpecError, match=message):
        load_space(path)


def test_a_space_of_designs_with_a_block_for_each_stage_is_loaded():
    stages = {"per_stage": {"1": {"$choice": [{"$published": "se"}, {"$published": "eca"}]}, "2": {"kind": "identity"}}}
    assert load_space({"block": stages, "placement": {"stages": [1, 2]}}).size() == 2


def test_a_float_is_any_number_on_its_scale():
    space = Space({"a": {"$float": [1e-3, 1e1], "log": True}, "b": {"$float": [0, 2]}, "c": {"$choice": ["x", "y"]}})
    assert space.size() == math.inf
    rng = random.Random(0)
    samples = [space.sample(rng) for _ in range(2000)]
    logs = [math.log10(f.data["a"]) for f in samples]
    assert all(1e-3 <= f.data["a"] <= 1e1 and 0 <= f.data["b"] <= 2 for f in samples)
    assert abs(statistics.fmean(logs) + 1) < 0.1
    assert abs(statistics.fmean(f.data["b"] for f in samples) - 1) < 0.05
    trial = optuna.trial.FixedTrial({"a": 0.1, "b": 1.0, "c": "y"})
    assert space.suggest(trial).data == {"a": 0.1, "b": 1.0, "c": "y"}
    assert space.distributions()["a"] == optuna.distributions.FloatDistribution(1e-3, 1e1, log=True)
    for use in (lambda: space.at(0), lambda: list(space.enumerate())):
        with pytest.raises(SpaceError, match=r"a is a \$float: the space has no end; use sample"):
            use()


def test_repeated_parts_have_holes_of_their_own_and_take_their_place_in_the_list():
    space = Space(REPEATED)
    assert space.size() == 1 + 3 + 9 == len({str(f.data) for f in space.enumerate()})
    assert [hole.name for hole in space.holes()] == ["blocks.1", "blocks.1.0.k", "blocks.1.1.k"]
    lists = [f.data["blocks"] for f in space.enumerate()]
    assert sorted({len(blocks) for blocks in lists}) == [1, 2, 3]
    assert [{"kind": "identity"}, {"k": 3}, {"k": 7}] in lists


def test_a_repeat_that_is_no_item_is_a_list():
    space = Space({"excite": {"$repeat": {"of": {"k": 1}, "min": 2, "max": 2}}})
    assert space.at(0).data == {"excite": [{"k": 1}, {"k": 1}]}
    assert space.size() == 1


def test_one_item_more_keeps_the_answers_of_the_others():
    space = Space(REPEATED)
    two = space.answered({"blocks.1": 2, "blocks.1.0.k": 5, "blocks.1.1.k": 7})
    one = space.answered({**two.choices, "blocks.1": 1})
    assert one.data["blocks"] == [{"kind": "identity"}, {"k": 5}]
    assert space.answered({"blocks.1": 2, "blocks.1.0.k": 5}) is None
    assert space.answered({"blocks.1": 1, "blocks.1.0.k": 4}) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"$float": [2, 1]}, r"a\.\$float: should be two numbers, the smaller first"),
        ({"$float": [0, 1], "log": True}, r"a\.\$float: a logarithm needs numbers above 0"),
        ({"$float": [1, 2], "log": "yes"}, r"a\.log: should be true or false"),
        ({"$float": [1, float("nan")]}, r"a\.\$float: should be two numbers"),
        ({"$float": [1, 2], "step": 1}, r"a: \$float takes no other key than log; .*; remove 'step'"),
        ({"$repeat": {"min": 1}}, r"a\.\$repeat: should say what is repeated, and how often"),
        ({"$repeat": {"of": 1, "max": 17}}, r"a\.\$repeat: min and max should be whole .*; allowed: 0 to 16"),
        ({"$repeat": {"of": 1, "min": 3, "max": 2}}, r"a\.\$repeat: min and max should be"),
        ({"$repeat": {"of": 1, "maxx": 2}}, r"a\.\$repeat\.maxx: unknown key 'maxx'; .*did you mean 'max'"),
        ({"$repeat": {"of": {"$chioce": [1]}}}, r"a\.\$repeat\.of: unknown hole '\$chioce'"),
    ],
)
def test_faulty_numbers_and_repeats_are_refused_with_their_place(data, message):
    with pytest.raises(SpaceError, match=message):
        Space({"a": data})


@pytest.mark.parametrize("data", [GATE, {"$any": "gate"}, {"$any": "block"}, REPEATED])
def test_every_member_is_found_by_its_data(data):
    space, rng = Space(data), random.Random(0)
    for _ in range(60):
        filling = space.sample(rng)
        found = space.find(filling.data)
        assert found is not None
        assert found.data == filling.data


def test_members_are_known_as_blocks_too():
    """A block keeps no trace of how it was written: defaults left out, short forms."""
    space, rng = Space({"$any": "block"}), random.Random(1)
    for _ in range(100):
        assert space.contains(parse_spec(space.sample(rng).data))
    assert Space({"$choice": [{"$published": "se"}, {"$published": "cbam"}]}).contains("cbam")
    assert not Space({"$published": "se"}).contains("cbam")


@pytest.mark.parametrize(
    ("changes", "inside"),
    [
        ({}, True),
        ({"merge": "logit_sum"}, True),  # the default, written out
        ({"merge": "gate_product"}, False),
        ({"excite": [{"kind": "conv1d", "kernel": 3}]}, True),
        ({"excite": [{"kind": "conv1d", "kernel": 9}]}, False),
        ({"excite": [{"kind": "fc", "reduction": {"ratio": 8}}]}, True),
        ({"excite": [{"kind": "fc", "reduction": 8}, {"kind": "act"}]}, False),
        ({"squeeze": {"kind": "global", "stats": [{"kind": "avg"}]}}, True),
        ({"squeeze": {"kind": "global", "stats": ["max", "avg"]}}, False),
        ({"colour": "red"}, False),
    ],
)
def test_what_a_space_contains(changes, inside):
    member = {
        "kind": "gate",
        "squeeze": {"kind": "global", "stats": ["avg"]},
        "excite": [{"kind": "fc", "reduction": 8}],
        **changes,
    }
    assert Space(GATE).contains(member) is inside


def test_a_spec_is_contained_in_whatever_form(tmp_path):
    space = Space({"$published": "se"})
    save_spec("se", tmp_path / "mine.json")
    for form in ("se", tmp_path / "mine.json", str(tmp_path / "mine.json"), load_spec("se"), read_spec("se")):
        assert space.contains(form)
        assert space.identity(form)
    assert not space.contains(read_spec("eca"))


def test_numbers_are_contained_within_their_ends():
    space = Space({"a": {"$float": [0.5, 2]}, "b": True})
    assert space.contains({"a": 1, "b": True})
    assert not space.contains({"a": 2.5, "b": True})
    assert not space.contains({"a": True, "b": True})
    assert not space.contains({"a": 1, "b": 1})


def test_the_identity_of_members_is_that_of_their_blocks():
    space = Space(GATE)
    one, other = space.at(0).data, parse_spec(space.at(0).data)
    assert space.identity(one) == space.identity(other) != space.identity(space.at(1).data)
    with pytest.raises(SpaceError, match="is no member of this space"):
        space.identity("cbam")


def test_a_part_of_a_space_has_some_holes_settled():
    part = Space(GATE).fixed({"excite.0": "conv1d", "squeeze.stats": "avg"})
    assert [hole.name for hole in part.holes()] == ["excite.0[conv1d].kernel"]
    assert [f.data["excite"][0]["kernel"] for f in part.enumerate()] == [3, 5, 7]
    assert {str(f.data) for f in part.enumerate()} <= {str(f.data) for f in Space(GATE).enumerate()}
    numbers = Space({"a": {"$float": [0, 1]}, "b": {"$int": [1, 3]}}).fixed({"a": 0.5, "b": 2})
    assert numbers.at(0).data == {"a": 0.5, "b": 2}
    for settled, message in (
        ({"excite.1": "fc"}, r"excite\.1: no hole has this name; allowed: squeeze\.stats.*did you mean 'excite\.0'"),
        ({"excite.0": "fcc"}, r"excite\.0: is no option of this hole; got \"fcc\"; allowed: fc, conv1d, project"),
        ({"excite.0": ["fc"]}, r"excite\.0: is no option"),
        ({"excite.0": "fc", "excite.0[conv1d].kernel": 3}, r"excite\.0\[conv1d\]\.kernel: is never asked"),
    ):
        with pytest.raises(SpaceError, match=message):
            Space(GATE).fixed(settled)


def test_neighbours_answer_one_hole_differently():
    space, rng = Space(GATE), random.Random(0)
    start = space.answered({"squeeze.stats": "avg", "excite.0": "fc", "excite.0[fc].reduction": 4})
    near = list(space.neighbours(start, rng))
    assert len(near) == 2 + 2 + 1  # statistics, layers, reductions
    for filling in near:
        assert filling.data != start.data
        kept = {k: v for k, v in start.choices.items() if k in filling.choices}
        assert sum(filling.choices[name] != value for name, value in kept.items()) == 1
    order = [str(f.data) for f in space.neighbours(start, random.Random(1))]
    assert order != [str(f.data) for f in space.neighbours(start, random.Random(2))]
