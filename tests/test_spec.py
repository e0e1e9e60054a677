import json

import pytest
import torch

from attnspace import SpecError, build, diff, identity, load_spec, parse_spec, save_spec
from attnspace.spec import dump_spec, read_spec
from tests.oracles import copy_weights


def gate(squeeze="global", stats=("avg",), excite=({"kind": "fc", "reduction": 4},), **fields):
    pooled = {"kind": squeeze, "stats": list(stats)} if isinstance(squeeze, str) else squeeze
    return {"kind": "gate", "squeeze": pooled, "excite": list(excite), **fields}


def seq(*blocks):
    return {"kind": "sequential", "blocks": list(blocks)}


ID = {"kind": "identity"}
SPATIAL = gate("channel", ("max", "avg"), [{"kind": "conv2d", "kernel": 3}])

SAME = {
    "a reduction and the width it gives": (gate(), gate(excite=[{"kind": "fc", "reduction": {"width": 8}}])),
    "fc and its layers": (
        gate(),
        gate(excite=[{"kind": "project", "out": 8}, {"kind": "act"}, {"kind": "project", "out": "C"}]),
    ),
    "a field left out and its default": (gate(), gate(activation="sigmoid", apply="multiply", merge="logit_sum")),
    "a merge of nothing": (gate(), gate(merge="gate_max")),
    "combining one statistic": (gate(), gate({"kind": "global", "stats": ["avg"], "combine": "stack"})),
    "statistics through shared weights in any order": (gate(stats=("avg", "max")), gate(stats=("max", "avg"))),
    "identity blocks": (seq(ID, gate(), ID), gate()),
    "nested sequences": (seq(seq(gate(), SPATIAL), gate()), seq(gate(), seq(SPATIAL, gate()))),
    "nothing at all": (seq(ID, seq(ID)), ID),
    "an adaptive kernel and its size": (
        gate(excite=[{"kind": "conv1d", "kernel": "adaptive"}]),
        gate(excite=[{"kind": "conv1d", "kernel": 3}]),
    ),
    "sharing without strips": (
        gate(excite=[{"kind": "project", "sharing": "separate"}]),
        gate(excite=[{"kind": "project"}]),
    ),
    "a pointwise layer, joint or shared": (
        gate("directional", excite=[{"kind": "project", "sharing": "shared"}]),
        gate("directional", excite=[{"kind": "project", "sharing": "joint"}]),
    ),
    "an identity activation between layers": (
        gate(excite=[{"kind": "project"}, {"kind": "act", "fn": "identity"}]),
        gate(excite=[{"kind": "project"}]),
    ),
    "sums of logits without layers": (
        gate(stats=("avg", "max"), excite=[]),
        gate({"kind": "global", "stats": ["max", "avg"], "combine": "sum"}, excite=[]),
    ),
    "strips without layers, whatever their merge": (
        gate("directional", ("avg", "max"), [], merge="gate_product"),
        gate({"kind": "directional", "stats": ["max", "avg"], "combine": "sum"}, excite=[], merge="gate_product"),
    ),
    "padding of a kernel that needs none": (
        gate(excite=[{"kind": "conv1d", "kernel": 1, "padding": "circular"}]),
        gate(excite=[{"kind": "conv1d", "kernel": 1}]),
    ),
    "a tail after nothing was merged": (
        gate("none_", excite=[{"kind": "conv2d", "kernel": 3}]),
        gate("none_", excite=[], tail=[{"kind": "conv2d", "kernel": 3}]),
    ),
    "a tail after sums of logits without layers": (
        gate(stats=("avg", "max"), excite=[], tail=[{"kind": "project"}]),
        gate({"kind": "global", "stats": ["avg", "max"], "combine": "sum"}, excite=[{"kind": "project"}]),
    ),
    "a convolution of one pixel": (
        gate("none_", excite=[{"kind": "conv2d", "kernel": 1, "out": "C"}]),
        gate("none_", excite=[{"kind": "project"}]),
    ),
    "a full convolution of one position along strips": (
        gate("directional", excite=[{"kind": "conv1d", "kernel": 1, "depthwise": False}]),
        gate("directional", excite=[{"kind": "project"}]),
    ),
    "depthwise over one map": (
        gate("directional", excite=[{"kind": "project", "out": 1}, {"kind": "conv1d"}]),
        gate("directional", excite=[{"kind": "project", "out": 1}, {"kind": "conv1d", "depthwise": False}]),
    ),
    "a last act and the activation": (
        gate(excite=[{"kind": "project"}, {"kind": "act", "fn": "sigmoid"}], activation="identity"),
        gate(excite=[{"kind": "project"}]),
    ),
    "a ratio and the width it gives": (
        gate(excite=[{"kind": "project", "out": {"ratio": 4}}, {"kind": "project"}]),
        gate(excite=[{"kind": "project", "out": 8}, {"kind": "project"}]),
    ),
    "gates that are their logits": (
        gate("directional", merge="gate_product", activation="identity"),
        gate("directional", merge="logit_product", activation="identity"),
    ),
    "default momentum": (
        gate("none_", excite=[{"kind": "norm"}]),
        gate("none_", excite=[{"kind": "norm", "momentum": 0.1}]),
    ),
    "dilation of one pixel": (
        gate("channel", excite=[{"kind": "conv2d", "kernel": 1, "dilation": 3}]),
        gate("channel", excite=[{"kind": "conv2d", "kernel": 1}]),
    ),
}
OTHER = {
    "reduction": (gate(), gate(excite=[{"kind": "fc", "reduction": 8}])),
    "bias": (gate(), gate(excite=[{"kind": "fc", "reduction": 4, "bias": False}])),
    "activation": (gate(), gate(activation="hard_sigmoid")),
    "statistic": (gate(), gate(stats=("max",))),
    "gradient at ties": (gate(stats=("max",)), gate(stats=("amax",))),
    "combine": (gate(stats=("avg", "max")), gate({"kind": "global", "stats": ["avg", "max"], "combine": "sum"})),
    "stacking order": (SPATIAL, gate("channel", ("avg", "max"), [{"kind": "conv2d", "kernel": 3}])),
    "order of gates": (seq(gate(), SPATIAL), seq(SPATIAL, gate())),
    "once or twice": (gate(), seq(gate(), gate())),
    "apply": (gate(), gate(apply="add")),
    "merge of strips": (gate("directional"), gate("directional", merge="gate_product")),
    "merge of statistics": (gate(stats=("avg", "max")), gate(stats=("avg", "max"), merge="gate_sum")),
    "sharing of a norm": (
        gate("directional", excite=[{"kind": "norm", "sharing": "joint"}]),
        gate("directional", excite=[{"kind": "norm", "sharing": "shared"}]),
    ),
    "order of statistics that a norm's memory notices": (
        gate(stats=("avg", "max"), excite=[{"kind": "norm"}]),
        gate(stats=("max", "avg"), excite=[{"kind": "norm"}]),
    ),
    "nothing": (gate(), ID),
    "a ratio and a width of that number": (
        gate(excite=[{"kind": "project", "out": {"ratio": 4}}, {"kind": "project"}]),
        gate(excite=[{"kind": "project", "out": 4}, {"kind": "project"}]),
    ),
    "a tail after a merge of strips": (
        gate("directional", excite=[{"kind": "project"}]),
        gate("directional", excite=[], tail=[{"kind": "project"}]),
    ),
}


def fixed(pair):
    """`none_` stands for the squeeze that takes no statistics."""
    text = json.dumps(pair).replace('{"kind": "none_", "stats": ["avg"]}', '{"kind": "none"}')
    return json.loads(text)


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_one_design_written_two_ways_is_one_identity_and_one_function(pair):
    one, other = fixed(pair)
    assert identity(one, 32) == identity(other, 32)
    torch.manual_seed(0)
    a, b = build(one, 32).double(), build(other, 32).double()
    copy_weights(a, b)
    x = torch.randn(2, 32, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(a(x), b(x))


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_two_designs_are_two_identities(pair):
    one, other = fixed(pair)
    assert identity(one, 32) != identity(other, 32)


def test_identity_depends_on_the_channels_in_use():
    adaptive, three = (gate(excite=[{"kind": "conv1d", "kernel": k}]) for k in ("adaptive", 3))
    assert identity(adaptive, 64) == identity(three, 64)
    assert identity(adaptive, [64, 128]) != identity(three, [64, 128])


def test_a_saved_spec_loads_as_it_was(tmp_path):
    path = tmp_path / "mine.json"
    save_spec(load_spec("cbam"), path, name="mine", doc="as CBAM")
    found = read_spec(path)
    assert (found.block, found.name, found.doc) == (load_spec("cbam"), "mine", "as CBAM")


def test_a_design_file_loads_as_its_block(tmp_path):
    path = tmp_path / "winner.json"
    path.write_text(json.dumps({"name": "w", "placement": {"position": "pre"}, "block": dump_spec(load_spec("eca"))}))
    assert load_spec(path) == load_spec("eca")


@pytest.mark.parametrize(
    ("one", "other", "lines"),
    [
        ("se", "se", []),
        ("se", "cbam", ["global gate, squeeze, stats: avg becomes max, avg", "then channel:max,avg > conv7"]),
        ("cbam", "se", ["global gate, squeeze, stats: max, avg becomes avg", "without channel:max,avg > conv7"]),
        ("se", "eca", ["global gate, excite 1: fc/16 becomes conv1d3"]),
        ("cbam", "cbam-timm", None),
    ],
)
def test_diff_says_what_changes(one, other, lines):
    found = diff(one, other)
    assert found == lines if lines is not None else len(found) == 5


def test_labels_tell_reductions_apart():
    rules = (
        16,
        {"ratio": 16, "minimum": 8},
        {"ratio": 16, "rounding": "round"},
        {"width": 16},
        {"ratio": 16, "divisor": 8},
    )
    labels = [parse_spec(gate(excite=[{"kind": "fc", "reduction": rule}])).label() for rule in rules]
    assert labels == [f"global:avg > fc{r}" for r in ("/16", "/16>=8", "/16~", "=16", "/16_8")]


@pytest.mark.parametrize("pair", {**SAME, **OTHER}.values(), ids=[*SAME, *OTHER])
def test_what_is_written_is_read_as_it_was_and_resolves_once(pair):
    for data in fixed(pair):
        block = parse_spec(data)
        assert parse_spec(dump_spec(block)) == block
        resolved = block.resolve(32)
        assert resolved.resolve(32) == resolved
        assert parse_spec(dump_spec(resolved)) == resolved


@pytest.mark.parametrize("wrong", [3, None, ["se"]])
def test_what_is_no_spec_is_refused(wrong):
    with pytest.raises(SpecError, match="is no spec"):
        build(wrong, 8)
    with pytest.raises(SpecError, match="at least one channel count"):
        identity("se", [])


def test_labels_are_short():
    assert load_spec("cbam").label() == "global:max+avg > fc/16 ; channel:max,avg > conv7"


def test_specs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_spec("se").activation = "relu"


def test_channels_below_one_are_refused():
    with pytest.raises(SpecError, match="at least one channel"):
        build("se", 0)
