"""What blocks, statistics and layers compute where no published block says it, and what they refuse."""

import math

import pytest
import torch

from attnspace import SpecError, build, parse_spec
from attnspace.modules.activation import activate

AVG = {"kind": "global", "stats": ["avg"]}
MAP = {"kind": "none"}
SIMPLE = {"kind": "gate", "squeeze": AVG}
SPATIAL = {"kind": "gate", "squeeze": {"kind": "channel", "stats": ["avg"]}}


def gate(squeeze, *excite, activation="identity", **fields):
    return {"kind": "gate", "squeeze": squeeze, "excite": list(excite), "activation": activation, **fields}


def layers(*steps):
    return {"kind": "layers", "layers": list(steps)}


def made(data, channels=8):
    torch.manual_seed(1)
    return build(data, channels).double().eval()


POOLED = {
    "std": lambda x, dims: (x.var(dims, correction=0, keepdim=True) + 1e-5).sqrt(),
    "l1": lambda x, dims: x.abs().sum(dims, keepdim=True),
    "l2": lambda x, dims: (x.square().sum(dims, keepdim=True) + 1e-5).sqrt(),
    "lse": lambda x, dims: x.exp().mean(dims, keepdim=True).log(),
}
DIMS = {"global": (2, 3), "channel": (1,)}


@pytest.mark.parametrize("squeeze", DIMS)
@pytest.mark.parametrize("stat", POOLED)
def test_a_statistic_is_its_formula(x, squeeze, stat):
    module = made(gate({"kind": squeeze, "stats": [stat]}))
    torch.testing.assert_close(module(x), x * POOLED[stat](x, DIMS[squeeze]))


@pytest.mark.parametrize("stat", POOLED)
def test_a_statistic_of_strips_pools_one_axis_at_a_time(x, stat):
    module = made(gate({"kind": "directional", "stats": [stat]}))
    torch.testing.assert_close(module(x), x * (POOLED[stat](x, (3,)) + POOLED[stat](x, (2,))))


def test_log_mean_exp_lies_between_mean_and_maximum_and_does_not_overflow():
    x = 1e4 * torch.rand(2, 8, 5, 3)
    pooled = [made(gate({"kind": "global", "stats": [{"kind": "lse", "sharpness": r}]})) for r in (1e-3, 1, 1e3)]
    values = [module.float().squeeze(x)[0] for module in pooled]
    assert all(torch.isfinite(value).all() for value in values)
    assert (values[0] >= x.mean((2, 3), keepdim=True)).all()
    torch.testing.assert_close(values[2], x.amax((2, 3), keepdim=True), rtol=1e-4, atol=0)


def test_attention_on_strips_has_weights_for_each_direction(x):
    module = made(gate({"kind": "directional", "stats": ["attention"]}))
    w_h, b_h, w_w, b_w = module.parameters()
    rows, columns = (torch.einsum("nchw,oc->nohw", x, w.flatten(1)) + b for w, b in ((w_h, b_h), (w_w, b_w)))
    expected = (x * rows.softmax(3)).sum(3, keepdim=True) + (x * columns.softmax(2)).sum(2, keepdim=True)
    torch.testing.assert_close(module(x), x * expected)


def test_a_cosine_component_of_frequency_zero_is_a_scaled_mean(x):
    module = made(gate({"kind": "global", "stats": [{"kind": "dct", "frequencies": [[0, 0], [1, 0]]}]}))
    (pooled,) = module.squeeze(x)
    torch.testing.assert_close(pooled[:, :4], x[:, :4].sum((2, 3), keepdim=True) / math.sqrt(15))
    wave = torch.cos(math.pi * (torch.arange(5, dtype=x.dtype) + 0.5) / 5) * math.sqrt(2 / 5) / math.sqrt(3)
    torch.testing.assert_close(pooled[:, 4:, 0, 0], torch.einsum("nchw,h->nc", x[:, 4:], wave))


@pytest.mark.parametrize(
    ("merge", "join"),
    [
        ("sum", lambda a, b: a + b),
        ("mean", lambda a, b: (a + b) / 2),
        ("max", torch.maximum),
        ("product", lambda a, b: a * b),
    ],
)
def test_branches_of_layers_are_merged(x, merge, join):
    module = made(layers({"kind": "branches", "branches": [[], [{"kind": "act", "fn": "tanh"}]], "merge": merge}))
    torch.testing.assert_close(module(x), join(x, x.tanh()))


def test_branches_are_stacked_as_channels(x):
    stacked = {"kind": "branches", "branches": [[], [{"kind": "act", "fn": "tanh"}]], "merge": "stack"}
    module = made(layers(stacked, {"kind": "project", "bias": False}))
    (weight,) = module.parameters()
    assert weight.shape == (8, 16, 1, 1)
    torch.testing.assert_close(module(x), torch.einsum("nchw,dc->ndhw", torch.cat([x, x.tanh()], 1), weight.flatten(1)))


@pytest.mark.parametrize(
    ("merge", "join"),
    [("sum", lambda a, b: a + b), ("mean", lambda a, b: (a + b) / 2), ("max", torch.maximum)],
)
def test_blocks_side_by_side_are_merged(x, merge, join):
    module = made({"kind": "parallel", "blocks": [gate(AVG), gate(MAP)], "merge": merge})
    torch.testing.assert_close(module(x), join(x * x.mean((2, 3), keepdim=True), x * x))


def test_a_residual_adds_the_map(x):
    torch.testing.assert_close(made({"kind": "residual", "block": gate(MAP)})(x), x + x * x)


@pytest.mark.parametrize(("axis", "dim"), [("H", 2), ("W", 3)])
def test_a_swapped_block_sees_another_axis_as_channels(x, axis, dim):
    module = made({"kind": "swap", "axis": axis, "block": gate({"kind": "channel", "stats": ["avg"]})})
    torch.testing.assert_close(module(x), x * x.mean(dim, keepdim=True))


def test_groups_share_weights_and_chunks_have_their_own_block(x):
    module = made({"kind": "split", "groups": 2, "blocks": [gate(MAP), gate(AVG)]})
    expected = torch.cat(
        [f(part) for part, f in zip(x.chunk(4, 1), [torch.square, lambda p: p * p.mean((2, 3), keepdim=True)] * 2, strict=True)], 1
    )  # fmt: skip
    torch.testing.assert_close(module(x), expected)
    weighty = {"kind": "split", "groups": 4, "blocks": [gate(MAP, {"kind": "project"})]}
    assert [p.shape for p in build(weighty, 8).parameters()] == [(2, 2, 1, 1), (2,)]


def test_a_shuffle_deals_the_channels_out():
    module = build({"kind": "split", "blocks": [{"kind": "identity"}], "shuffle": 2}, 8)
    x = torch.arange(8.0)[None, :, None, None]
    assert module(x).flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_a_selection_weighs_its_branches_by_softmax(x):
    data = {"kind": "select", "branches": [[], [{"kind": "act", "fn": "tanh"}]], "bias": False}
    module = made(data)
    (weight,) = module.parameters()
    logits = ((x + x.tanh()).mean((2, 3)) @ weight.flatten(1).T).view(2, 2, 8)
    shares = logits.softmax(1)[..., None, None]
    torch.testing.assert_close(module(x), shares[:, 0] * x + shares[:, 1] * x.tanh())


def test_a_stem_is_cut_into_chunks_for_the_branches(x):
    stem = [{"kind": "project", "out": {"ratio": 0.5}, "bias": False}]
    module = made({"kind": "select", "stem": stem, "branches": [[], []]})
    widened = torch.einsum("nchw,dc->ndhw", x, module.stem[0].weight.flatten(1))
    first, second = widened.chunk(2, 1)
    shares = module.head((first + second).mean((2, 3), keepdim=True)).view(2, 2, 8, 1, 1).softmax(1)
    torch.testing.assert_close(module(x), shares[:, 0] * first + shares[:, 1] * second)


def test_branches_of_a_gate_are_joined_and_strips_and_statistics_summed_in_each(x):
    data = {
        "kind": "gate",
        "branches": [
            {"squeeze": {"kind": "directional", "stats": ["avg", "max"]}},
            {"squeeze": {"kind": "channel", "stats": ["avg", "max"], "combine": "shared"}},
        ],
        "merge": "gate_product",
    }
    rows = x.mean(3, keepdim=True) + x.amax(3, keepdim=True)
    columns = x.mean(2, keepdim=True) + x.amax(2, keepdim=True)
    places = x.mean(1, keepdim=True) + x.amax(1, keepdim=True)
    expected = x * torch.sigmoid(rows + columns) * torch.sigmoid(places)
    torch.testing.assert_close(made(data)(x), expected)


def test_a_tail_follows_the_sum_of_branches(x):
    data = {"kind": "gate", "branches": [{"squeeze": AVG}, {"squeeze": MAP}], "tail": [{"kind": "act", "fn": "tanh"}]}
    torch.testing.assert_close(made(data)(x), x * torch.sigmoid((x + x.mean((2, 3), keepdim=True)).tanh()))


def test_softmax_runs_over_channels_or_positions(x):
    torch.testing.assert_close(made(gate(AVG, activation="softmax"))(x), x * x.mean((2, 3), keepdim=True).softmax(1))
    places = x.mean(1, keepdim=True)
    expected = x * places.flatten(2).softmax(2).view_as(places)
    torch.testing.assert_close(made(gate({"kind": "channel", "stats": ["avg"]}, activation="softmax"))(x), expected)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("gaussian", lambda y: torch.exp(-y * y)),
        ("sigmoid1p", lambda y: 1 + 1 / (1 + torch.exp(-y))),
        ("tanh1p", lambda y: 1 + torch.tanh(y)),
        ("hard_sigmoid", lambda y: ((y + 3) / 6).clamp(0, 1)),
        ("leaky_relu", lambda y: torch.where(y > 0, y, 0.01 * y)),
        ("identity", lambda y: y),
        ("relu", lambda y: y.clamp(min=0)),
    ],
)
def test_an_activation_is_its_formula(x, name, formula):
    torch.testing.assert_close(activate(name, 8)(4 * x), formula(4 * x))


@pytest.mark.parametrize(
    ("by", "formula"),
    [
        ("std", lambda d: (d - d.mean(1, keepdim=True)) / (d.var(1, correction=0, keepdim=True) + 1e-5).sqrt()),
        ("rms", lambda d: d / (d.square().mean(1, keepdim=True) + 1e-5).sqrt()),
        ("mean_abs", lambda d: d / (d.abs().mean(1, keepdim=True) + 1e-5)),
    ],
)
def test_values_are_standardized_within_their_groups(x, by, formula):
    torch.testing.assert_close(made(layers({"kind": "standardize", "by": by}))(x), formula(x))
    grouped = torch.cat([formula(part) for part in x.chunk(4, 1)], 1)
    torch.testing.assert_close(made(layers({"kind": "standardize", "by": by, "groups": 4}))(x), grouped)


def test_affine_starts_where_it_is_told_and_sums_stacked_statistics(x):
    torch.testing.assert_close(made(layers({"kind": "affine", "scale": 2, "shift": -1}))(x), 2 * x - 1)
    stacked = {"kind": "global", "stats": ["avg", "max"], "combine": "stack"}
    module = made(gate(stacked, {"kind": "affine", "scale": 3, "shift": 0.5}))
    expected = 3 * (x.mean((2, 3), keepdim=True) + x.amax((2, 3), keepdim=True)) + 0.5
    torch.testing.assert_close(module(x), x * expected)
    assert [tuple(p.shape) for p in module.parameters()] == [(8, 2, 1, 1), (8, 1, 1)]


def test_affine_may_have_weights_for_each_strip():
    for sharing, many in (("shared", 2), ("separate", 4)):
        data = gate({"kind": "directional", "stats": ["avg"]}, {"kind": "affine", "sharing": sharing})
        assert len(list(build(data, 8).parameters())) == many


def test_strip_dilated_and_grouped_convolutions_keep_the_size(x):
    for fields in (
        {"kernel": [1, 7]},
        {"kernel": [3, 5], "dilation": 3},
        {"kernel": 3, "groups": 4, "out": {"ratio": 2}},
    ):
        module = made(gate(MAP, {"kind": "conv2d", **fields}, {"kind": "project", "out": "C"}))
        assert module(x).shape == x.shape
    strip = build(gate(MAP, {"kind": "conv2d", "kernel": [1, 7], "out": "C"}), 8)
    assert next(strip.parameters()).shape == (8, 8, 1, 7)


def test_weights_that_start_at_zero_do():
    for what, bias in (("weight", False), ("all", True)):
        down, _, up, shift = build(gate(AVG, {"kind": "fc", "reduction": 2, "zero_init": what}), 8).parameters()
        assert down.abs().sum() > 0
        assert not up.any()
        assert bool(shift.any()) != bias


@pytest.mark.parametrize("extent", [2, 4, 8, 16])
@pytest.mark.parametrize("gather", ["avg", "conv"])
@pytest.mark.parametrize("size", [(5, 3), (16, 16), (33, 20)])
def test_what_is_gathered_over_an_extent_goes_back_to_it(extent, gather, size):
    x = torch.randn(2, 8, *size)
    module = build({"kind": "gather_excite", "extent": extent, "gather": gather, "reduction": 4}, 8).eval()
    assert module(x).shape == x.shape
    assert module.gather(x).shape[2:] == tuple(math.ceil(side / extent) for side in size)


TWO = {"kind": "global", "stats": ["avg", "max"]}
REFUSED = {
    "neither squeeze nor branches": ({"kind": "gate"}, "a gate has either a squeeze or branches"),
    "both": ({**SIMPLE, "branches": [{"squeeze": MAP}]}, "a gate has either a squeeze or branches"),
    "layers beside branches": (
        {"kind": "gate", "branches": [{"squeeze": MAP}], "excite": [{"kind": "act"}]},
        "excite: the layers of a gate with branches are in its branches",
    ),
    "a layer that does not fit a branch": (
        {"kind": "gate", "branches": [{"squeeze": MAP}, {"squeeze": AVG, "excite": [{"kind": "conv2d"}]}]},
        r"branches\.1\.excite\.0: conv2d cannot be applied to what squeeze global leaves",
    ),
    "a branch that leaves too many": (
        {"kind": "gate", "branches": [{"squeeze": MAP}, {"squeeze": AVG, "excite": [{"kind": "project", "out": 3}]}]},
        r"branches\.1\.excite: the gate has 3 channels and the map has 8",
    ),
    "a tail after gates": (
        {"kind": "gate", "branches": [{"squeeze": MAP}, {"squeeze": AVG}], "merge": "gate_sum", "tail": [{"kind": "act"}]},
        "tail: a tail comes between the merge and the activation",
    ),
    "softmax over channels and positions": (
        {
            "kind": "gate",
            "branches": [{"squeeze": AVG}, {"squeeze": {"kind": "channel", "stats": ["avg"]}}],
            "merge": "gate_sum",
            "activation": "softmax",
        },
        "merge: softmax of branches with one channel and with C",
    ),
    "a swapped block with weights for each channel": (
        {"kind": "swap", "axis": "W", "block": {**SIMPLE, "excite": [{"kind": "fc", "reduction": 2}]}},
        "block: the swapped block has weights for each channel, and W has no fixed size",
    ),
    "a swapped gate of as many maps as C by chance": (
        {"kind": "swap", "block": {**SPATIAL, "excite": [{"kind": "conv2d", "out": 8}]}},
        "block.excite: the gate has 8 channels and H has no fixed size; allowed: 1 or as many as the map",
    ),
    "two statistics that are no gate, at two channels or more": (
        gate({"kind": "channel", "stats": ["avg", "max"]}),
        "excite: the gate has 2 channels",
    ),
    "more maps than can be meant": (
        layers(*[{"kind": "branches", "merge": "stack", "branches": [[]] * 16}] * 6, {"kind": "project"}),
        r"layers\.3: the layer leaves 524,288 channels; allowed: up to 65,536",
    ),
    "a norm of single values": (
        gate(AVG, {"kind": "norm", "type": "group", "groups": 8}),
        r"excite\.0\.groups: each of 8 groups has one channel, and a norm of one value is its shift",
    ),
    "layer norm in groups": (
        gate(MAP, {"kind": "norm", "type": "layer", "groups": 2}),
        r"excite\.0\.groups: layer normalisation has no groups; got 2; remove it, or use type group",
    ),
    "a swapped convolution to C": (
        {"kind": "swap", "block": {**SPATIAL, "excite": [{"kind": "conv2d", "out": "C"}]}},
        "block: the swapped block has weights for each channel",
    ),
    "chunks that do not divide": ({"kind": "split", "blocks": [SIMPLE] * 3}, "1 groups of 3 chunks do not divide 8"),
    "a shuffle that does not": ({"kind": "split", "blocks": [SIMPLE], "shuffle": 3}, "shuffle: shuffle 3 does not divide"),
    "a selection between one": ({"kind": "select", "branches": [[]]}, "branches: should be a list of at least 2"),
    "a selection that changes the channels": (
        {"kind": "select", "branches": [[], [{"kind": "project", "out": 2}]]},
        r"branches\.1: the branch leaves 2 channels and the map has 8",
    ),
    "a selection by a map": (
        {"kind": "select", "branches": [[], []], "squeeze": MAP},
        "squeeze: select decides by one global descriptor",
    ),
    "a selection by two descriptors": (
        {"kind": "select", "branches": [[], []], "squeeze": TWO},
        "squeeze: select decides by one global descriptor",
    ),
    "a stem that is not divided": (
        {"kind": "select", "stem": [{"kind": "project", "out": 7}], "branches": [[], []]},
        "stem: 2 branches do not divide the stem's 7 channels",
    ),
    "layers that change the channels": (
        {"kind": "layers", "layers": [{"kind": "project", "out": 3}]},
        "layers: the layers leave 3 channels and the map has 8",
    ),
    "a layer of strips on the map": (
        {"kind": "layers", "layers": [{"kind": "conv1d"}]},
        r"layers\.0: conv1d cannot be applied to what squeeze none leaves",
    ),
    "branches of different widths": (
        layers({"kind": "branches", "branches": [[], [{"kind": "project", "out": 2}]]}),
        r"layers\.0\.branches: the branches leave 8, 2 channels; allowed: as many from each",
    ),
    "a layer inside branches that does not fit": (
        gate(AVG, {"kind": "branches", "branches": [[], [{"kind": "conv2d"}]]}),
        r"excite\.0\.branches\.1\.0: conv2d cannot be applied",
    ),
    "branches of strips": (
        gate({"kind": "directional", "stats": ["avg"]}, {"kind": "branches", "branches": [[], []]}),
        r"excite\.0: branches cannot be applied to what squeeze directional leaves",
    ),
    "groups that do not divide": (
        gate(MAP, {"kind": "conv2d", "groups": 3, "out": "C"}),
        r"excite\.0\.groups: 3 groups do not divide 8 channels given and 8 left",
    ),
    "groups of a depthwise convolution": (
        gate(MAP, {"kind": "conv2d", "groups": 2, "depthwise": True}),
        r"excite\.0\.groups: a depthwise convolution has a group for each map",
    ),
    "an even side of a strip": (gate(MAP, {"kind": "conv2d", "kernel": [1, 4]}), r"excite\.0\.kernel\.1: kernel 4 is even"),
    "filters along a strip": (
        gate({"kind": "directional", "stats": ["avg"]}, {"kind": "conv1d", "filters": 2}),
        r"excite\.0\.filters: filters are for the channel axis",
    ),
    "filters that are left": (gate(AVG, {"kind": "conv1d", "filters": 2}), "excite: the gate has 16 channels"),
    "standardizing one channel": (
        gate({"kind": "channel", "stats": ["avg"]}, {"kind": "standardize"}),
        r"excite\.0: standardize cannot be applied .*; squeeze global, directional or none, which",
    ),
    "a weighted mean of channels": (
        gate({"kind": "channel", "stats": ["attention"]}),
        r"squeeze\.stats\.0: statistic attention cannot be pooled by squeeze channel",
    ),
    "frequencies that do not divide": (
        gate({"kind": "global", "stats": [{"kind": "dct", "frequencies": [[0, 0]] * 3}]}),
        r"squeeze\.stats\.0\.frequencies: 3 frequencies do not divide 8 channels",
    ),
    "groups of similarity": ({"kind": "sge", "groups": 3}, "groups: 3 groups do not divide 8 channels"),
    "a bottleneck of gathered values": (
        {"kind": "gather_excite", "reduction": 16},
        "reduction: reduction 16 leaves no hidden unit for 8 channels",
    ),
    "an extent between": ({"kind": "gather_excite", "extent": 3}, "extent: should be 2, 4, 8 or 16"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_possible_is_refused_with_its_place(case):
    data, message = REFUSED[case]
    with pytest.raises(SpecError, match=message):
        build(parse_spec(data), 8)


@pytest.mark.parametrize("block", [{"kind": "simam"}, {"kind": "sge", "groups": 4}, gate({"kind": "global", "stats": [{"kind": "std", "unbiased": True}]})])  # fmt: skip
def test_a_single_position_where_several_are_compared_is_refused(block):
    with pytest.raises(ValueError, match="needs more than one value to compare; got a map of"):
        build(block, 8)(torch.randn(2, 8, 1, 1))


def test_softmax_in_a_swap_runs_over_the_swapped_axis():
    """Also at one channel, where the map as it stands has positions alone."""
    x = torch.randn(2, 1, 5, 3)
    module = build({"kind": "swap", "axis": "H", "block": gate(MAP, activation="softmax")}, 1)
    torch.testing.assert_close(module(x), x * x.softmax(2))


def test_softmax_of_strips_is_one_for_each():
    softmax = [{"kind": "project", "out": 1}, {"kind": "act", "fn": "softmax"}]
    module = build(gate({"kind": "directional", "stats": ["avg"]}, *softmax, merge="gate_product"), 8)
    x = torch.randn(2, 8, 5, 3)
    weight, bias = module.parameters()
    rows, columns = (torch.einsum("nchw,c->nhw", x.mean(d, keepdim=True), weight.flatten()) + bias for d in (3, 2))
    expected = rows.softmax(1)[:, None] * columns.softmax(2)[:, None]
    torch.testing.assert_close(module(x), x * expected)


@pytest.mark.parametrize(
    "block",
    [
        {"kind": "identity"},
        {"kind": "simam"},
        SPATIAL,
        {**SPATIAL, "excite": [{"kind": "conv2d", "kernel": 3}, {"kind": "norm"}]},
        {"kind": "sequential", "blocks": [SPATIAL, {"kind": "simam"}]},
        {"kind": "parallel", "blocks": [SPATIAL, SIMPLE]},
        {"kind": "residual", "block": SPATIAL},
        {**SIMPLE, "excite": [{"kind": "conv1d", "kernel": 3}]},
        {**SIMPLE, "excite": [{"kind": "standardize"}]},
        {"kind": "gate", "branches": [{"squeeze": AVG}, {"squeeze": MAP}]},
        {**SPATIAL, "excite": [{"kind": "branches", "branches": [[], [{"kind": "conv2d", "kernel": 3}]]}]},
    ],
)
def test_what_does_not_depend_on_the_channels_can_be_swapped(block):
    for axis in ("H", "W"):
        module = build({"kind": "swap", "axis": axis, "block": block}, 8)
        for size in ((5, 3), (9, 12)):
            assert module(torch.randn(2, 8, *size)).shape == (2, 8, *size)
