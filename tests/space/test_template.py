import math
import random

import pytest
from optuna.distributions import FloatDistribution

from attnspace.samplers.tree import fresh
from attnspace.space.holes import compile_template
from attnspace.space.template import (
    Fixed,
    Hole,
    Interval,
    Record,
    Transformer,
    Traversal,
    Visitor,
    number_at,
    parameters,
    same,
)
from tests.space.spaces import SPACES

TREE = Record(
    ("a", "b", "c"),
    (
        Fixed("one"),
        Hole("b", ("x", "y"), (Fixed("two"), Record((0,), (Interval("b[y].0", 0.0, 1.0),), is_list=True))),
        Interval("c", 0.1, 10.0, log=True),
    ),
    is_list=False,
)


class Notes(Visitor):
    """Writes down what each handler is called with, and goes on as a visitor does."""

    def __init__(self):
        self.seen = []

    def fixed(self, node):
        self.seen.append(("fixed", node))
        super().fixed(node)

    def record(self, node):
        self.seen.append(("record", node))
        super().record(node)

    def hole(self, node):
        self.seen.append(("hole", node))
        super().hole(node)

    def interval(self, node):
        self.seen.append(("interval", node))
        super().interval(node)


def seen(template):
    notes = Notes()
    assert notes(template) is None
    return notes.seen


templates = pytest.mark.parametrize("template", [compile_template(data) for data in SPACES.values()], ids=SPACES)


def test_each_node_is_handled_once_by_the_handler_of_its_kind_from_the_outside_in():
    one, hole, number = TREE.parts
    two, inner = hole.options
    assert seen(TREE) == [
        ("record", TREE),
        ("fixed", one),
        ("hole", hole),
        ("fixed", two),
        ("record", inner),
        ("interval", inner.parts[0]),
        ("interval", number),
    ]


@templates
def test_a_visitor_goes_to_as_many_nodes_as_are_written_in_a_template(template):
    kinds = [kind for kind, _ in seen(template)]
    for kind in ("fixed", "record", "hole", "interval"):
        assert kinds.count(kind) == repr(template).count(f"{kind.title()}(")


@templates
def test_a_transformer_without_handlers_of_its_own_makes_an_equal_template(template):
    assert Transformer()(template) == template


@pytest.mark.parametrize(
    ("handler", "given", "expected"),
    [
        ("fixed", Fixed("one"), Record(("a", "b"), (Fixed(1), Interval("b", 0.0, 1.0)), is_list=False)),
        ("interval", Interval("b", 0.0, 1.0), Record(("a", "b"), (Fixed("one"), Fixed(1)), is_list=False)),
    ],
)
def test_a_handler_changes_the_nodes_of_its_kind_wherever_they_lie(handler, given, expected):
    changed = type("Changed", (Transformer,), {handler: lambda self, node: Fixed(1)})()
    record = Record(("a", "b"), (Fixed("one"), Interval("b", 0.0, 1.0)), is_list=False)
    assert given in record.parts
    assert changed(record) == expected
    assert changed(Hole("h", (0,), (record,))) == Hole("h", (0,), (expected,))


def test_a_traversal_that_handles_three_kinds_only_is_none():
    class Three(Traversal[int]):
        def fixed(self, node):
            return 0

        record = hole = fixed

    with pytest.raises(TypeError, match="interval"):
        Three()


def test_a_parameter_that_stands_in_several_options_is_one_parameter():
    repeated = compile_template(SPACES["repeated"])
    names = [node.name for kind, node in seen(repeated) if kind == "hole"]
    assert names.count("blocks.1.0.k") == 2
    assert [hole.name for hole in parameters(repeated)] == list(dict.fromkeys(names))


@templates
def test_data_without_holes_is_one_fixed_node(template):
    for kind, node in seen(template):
        if kind == "record":
            assert not all(isinstance(part, Fixed) for part in node.parts)


@pytest.mark.parametrize(
    ("share", "low", "high", "log", "expected"),
    [
        (0, 2.0, 4.0, False, 2.0),
        (0.25, 2.0, 4.0, False, 2.5),
        (0, 1e-3, 1e1, True, 1e-3),
        (0.5, 1e-3, 1e1, True, 1e-1),
        (0.75, 1e-3, 1e1, True, 1.0),
        (1, 1e-3, 1e1, True, 1e1),
    ],
)
def test_a_number_is_so_far_along_on_its_scale(share, low, high, log, expected):
    assert number_at(share, low, high, log) == pytest.approx(expected, rel=1e-12)
    assert low <= number_at(share, low, high, log) <= high


@pytest.mark.parametrize("log", [False, True])
def test_spaces_and_samplers_draw_the_same_number_from_the_same_chance(log):
    one, other, python = (random.Random(3) for _ in range(3))
    for _ in range(50):
        drawn = Interval("a", 0.1, 7.0, log).at(one.random())
        assert drawn == fresh(FloatDistribution(0.1, 7.0, log=log), other)
        reference = math.exp(python.uniform(math.log(0.1), math.log(7.0))) if log else python.uniform(0.1, 7.0)
        assert drawn == reference


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(1, 1, True), ("a", "a", True), (1, True, False), (1, 1.0, False), (None, None, True), (0, None, False)],
)
def test_answers_are_the_same_if_type_and_value_are(one, other, expected):
    assert same(one, other) is same(other, one) is expected
