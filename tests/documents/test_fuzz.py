"""Whatever text arrives, parsing ends in a block or in a SpecError. Longer runs: --hypothesis-profile fuzz."""

import contextlib
import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from attnspace import Block, SpecError, build, identity, load_spec, parse_spec, published
from attnspace.language.specs import dump_spec
from attnspace.primitives.node import families

KINDS = sorted({kind for family in families().values() for kind in family.members})
FIELDS = sorted({f for family in families().values() for m in family.members.values() for f in m.model_fields})
RULES = ("ratio", "divisor", "minimum", "rounding", "width", "gamma", "beta", "divisible")
words = st.sampled_from([*KINDS, *FIELDS, "", "C", "adaptive", "batch", "$schema", "name", *RULES])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 300)
    | st.sampled_from([1e-320, 1e300, 8.0])
    | st.floats()
    | words
    | st.text(max_size=5)
)
trees = st.recursive(scalars, lambda t: st.lists(t, max_size=4) | st.dictionaries(words, t, max_size=5), max_leaves=20)
RULED = {
    "kind": "gate",
    "squeeze": {"kind": "directional", "stats": ["avg"]},
    "excite": [{"kind": "project", "out": {"ratio": 4, "minimum": 3}}, {"kind": "conv1d", "kernel": "adaptive"}],
    "tail": [{"kind": "project", "out": {"width": 1}}],
}
blocks = st.sampled_from([RULED, *(dump_spec(load_spec(name)) for name in published())])


def places(data, at=()):
    yield at
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*at, key))


def parts(data):
    """Every key with its value, however deep."""
    for at in places(data):
        if at:
            value = data
            for key in at:
                value = value[key]
            yield at[-1], value


GRAFTS: dict = {}
for name in published():
    for key, value in parts(dump_spec(load_spec(name))):
        GRAFTS.setdefault(key if isinstance(key, str) else "item", []).append(value)


@st.composite
def mutated(draw):
    """A published block with one to three places overwritten, dropped, added, or taken from another block."""
    data = copy.deepcopy(draw(blocks))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(list(places(data))))
        if not at:
            continue
        parent = data
        for key in at[:-1]:
            parent = parent[key]
        how = draw(st.sampled_from(["put", "drop", "add", "graft", "graft", "graft"]))
        if how == "drop":
            del parent[at[-1]]
        elif how == "graft":
            key = at[-1] if isinstance(at[-1], str) else "item"
            parent[at[-1]] = copy.deepcopy(draw(st.sampled_from(GRAFTS.get(key, [None]))))
        elif how == "add" and isinstance(parent, dict):
            parent[draw(words)] = draw(trees)
        else:
            parent[at[-1]] = draw(trees)
    return data


def check(data) -> None:
    """Any exception but SpecError fails the test, and so does a block that cannot be written and read again."""
    try:
        block = parse_spec(data)
    except SpecError:
        return
    assert isinstance(block, Block)
    try:
        again = parse_spec(json.dumps(dump_spec(block)))
    except SpecError as error:
        raise AssertionError("what was written does not parse") from error
    assert again == block
    with contextlib.suppress(SpecError):
        build(block, 16)
        assert identity(block, 16) == identity(again, 16)


@given(trees)
def test_any_tree_parses_or_is_a_spec_error(data):
    check(data)


@given(mutated())
def test_any_mutated_block_parses_or_is_a_spec_error(data):
    check(data)


@given(st.text(max_size=200))
def test_any_text_parses_or_is_a_spec_error(text):
    check(text)
