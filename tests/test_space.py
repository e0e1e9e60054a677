import random

import optuna
import pytest

from attnspace import SpaceError, load_space, load_spec, parse_spec
from attnspace.space import Space
from attnspace.spec import dump_spec

GATE = {
    "kind": "gate",
    "squeeze": {"kind": "global", "stats": {"$subset": ["avg", "max"]}},
    "excite": [
        {
            "$choice": [
                {"kind": "fc", "reduction": {"$choice": [4, 8]}},
                {"kind": "conv1d", "kernel": {"$choice": [3, 5, 7]}},
                {"kind": "project", "bias": {"$choice": [True, False]}},
            ]
        }
    ],
}


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
    assert dict(filling.params) == trial.params


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


@pytest.mark.parametrize("family", ["gate", "squeeze", "layer", "statistic", "excite", "identity"])
def test_any_offers_what_is_registered(family):
    assert Space({"$any": family}).size() >= 1


def test_any_block_parses():
    space, rng = Space({"$any": "block"}), random.Random(0)
    for _ in range(100):
        parse_spec(space.sample(rng).data)


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
