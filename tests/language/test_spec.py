import json
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnspace import SpecError, build, diff, identity, load_spec, parse_spec, save_spec
from attnspace.language.specs import dump_spec, read_spec
from attnspace.space.space import Space
from tests.equivalences import OTHER, SAME, gate, par, seq


def function_of(module, x):
    module.eval()
    with torch.no_grad():
        return module(x)


def same_function(one, other, channels=32) -> bool:
    """Whether the weights of one, in some rotation, make the other compute the same."""
    torch.manual_seed(0)
    a, b = build(one, channels).double(), build(other, channels).double()
    x = torch.randn(2, channels, 4, 5, dtype=torch.float64)
    wanted = function_of(a, x)
    theirs, ours = list(a.parameters()), list(b.parameters())
    for shift in range(max(1, len(theirs))):
        turned = theirs[shift:] + theirs[:shift]
        if [p.squeeze().shape for p in turned] != [p.squeeze().shape for p in ours]:
            continue
        with torch.no_grad():
            for source, target in zip(turned, ours, strict=True):
                target.copy_(source.reshape(target.shape))
        if torch.allclose(function_of(b, x), wanted, rtol=0, atol=1e-12) and trained_alike(a, b, x):
            return True
    return False


def trained_alike(a, b, x) -> bool:
    """Whether two training passes and then one in evaluation give the same: what batch norms remember counts."""
    with torch.no_grad():
        pairs = [(a.train()(y), b.train()(y)) for y in (x, x.flip(0) + 1)] + [(a.eval()(x), b.eval()(x))]
    return all(torch.allclose(one, other, rtol=0, atol=1e-9) for one, other in pairs)


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_one_design_written_two_ways_is_one_identity_and_one_function(pair):
    one, other = pair
    assert identity(one, 32) == identity(other, 32)
    assert same_function(one, other)


def test_the_branches_of_a_selection_come_in_any_order():
    """The rows of the linear map to the logits change places with them."""
    conv = {"kind": "conv2d", "kernel": 3, "depthwise": True, "bias": False}
    branches = [[conv], [conv, {"kind": "act"}]]
    one, other = ({"kind": "select", "branches": order, "bias": False} for order in (branches, branches[::-1]))
    assert identity(one, 32) == identity(other, 32)
    a, b = build(one, 32), build(other, 32)
    with torch.no_grad():
        for i in (0, 1):
            b.branches[i][0].weight.copy_(a.branches[1 - i][0].weight)
        b.head.weight.copy_(a.head.weight.roll(32, 0))
    x = torch.randn(2, 32, 4, 5)
    torch.testing.assert_close(a(x), b(x))


ANY = Space({"$any": "block"})
IDENTITY = {"kind": "identity"}
REWRITTEN = (
    lambda b: seq(b),
    lambda b: seq(IDENTITY, b, IDENTITY),
    lambda b: seq(seq(IDENTITY), seq(b)),
    lambda b: par(b),
    lambda b: {"kind": "split", "blocks": [b]},
    lambda b: dump_spec(parse_spec(b).resolve(32)),
    lambda b: par(*reversed(b["blocks"]), merge=b.get("merge", "sum")) if b["kind"] == "parallel" else b,
    lambda b: par(IDENTITY, b["block"]) if b["kind"] == "residual" else b,
    lambda b: {"kind": "gate", **b, "merge": b.get("merge", "logit_sum")} if b["kind"] == "gate" else b,
)


@given(st.integers(0, 10**9), st.lists(st.sampled_from(REWRITTEN), min_size=1, max_size=4))
@settings(max_examples=60)
def test_a_design_written_another_way_is_the_same_design_and_function(seed, ways):
    block = other = ANY.sample(random.Random(seed)).data
    try:
        name = identity(block, 32)
    except SpecError:  # a chunk has too few channels
        return
    for way in ways:
        other = way(other)
    assert identity(other, 32) == name
    assert same_function(block, other)


def test_the_tables_are_long_enough():
    assert len(SAME) >= 40
    assert len(OTHER) >= 40


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_two_designs_are_two_identities(pair):
    one, other = pair
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
        ("bam", "bam-official", ["gate, merge: logit_sum becomes logit_product"]),
        (
            "scse",
            "scse-max",
            ["parallel, blocks 1, excite 1, reduction: C/16 becomes C/2", "parallel, merge: sum becomes max"],
        ),
        (
            "eca",
            "eca-mlp",
            [
                "global gate, excite 1, kernel: 3 becomes 1",
                "global gate, excite 1, filters: 1 becomes C/8~~_8>=8",
                "global gate, excite: then relu",
                "global gate, excite: then conv1dk",
            ],
        ),
        ("grn", "simam", ["residual: x + (global:l2 > standardize-mean_abs > identity ; map > affine) becomes simam"]),
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
    for data in pair:
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


@pytest.mark.parametrize("channels", [0, "64", None, 6.5, 2**63])
def test_channels_that_are_no_number_of_them_are_refused(channels):
    with pytest.raises(SpecError, match=r"at least one channel, a whole number; got .*; allowed: 1 to 65,536"):
        build("se", channels)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "identity", 1: 2}, "1: unknown key '1'"),
        (
            {"kind": "gate", "squeeze": {"kind": "global", "stats": ["dct"]}},
            r"stats.0: dct needs 'frequencies'; .* write",
        ),
        (
            {"kind": "residual", "block": "cbam"},
            "block: .*cbam is a published block: write what `attnspace export cbam",
        ),
        ({"kind": "fc"}, "unknown kind 'fc'; .*'fc' is a layer, which does not stand here"),
        (
            {"kind": "sequential", "blocks": [{"$published": "cbam"}]},
            "has holes: it is a space, and one block is wanted",
        ),
        ({"kind": "gate", "squeeze": {"kind": "none"}, "activation": "Sigmoid"}, "did you mean 'sigmoid'"),
        (
            {"kind": "gate", "squeeze": {"kind": "none"}, "excite": {"kind": "fc"}},
            "excite: should be a list; .*put it in",
        ),
        ({"kind": "identity", "name": "\ud800"}, "holds something that JSON has no word for"),
    ],
)
def test_a_fault_is_said_in_the_words_of_the_language(data, message):
    with pytest.raises(SpecError, match=message) as caught:
        parse_spec(data)
    assert str(caught.value).encode()


def test_text_beyond_the_limit_is_not_parsed():
    with pytest.raises(SpecError, match=r"is too long; got .*1,000,026 characters.*; allowed: up to 1,000,000"):
        parse_spec('{"kind": "identity", ' + " " * 1_000_004 + "}")
    shared = [[[[1] * 1000] * 1000] * 100]
    with pytest.raises(SpecError, match="has too many nodes"):
        parse_spec({"kind": "identity", "name": shared})


def test_a_list_that_is_too_short_is_said_to_be():
    with pytest.raises(SpecError, match="branches: should be a list of at least 2"):
        parse_spec({"kind": "select", "branches": [[]]})
