"""Pairs of specs that must be one design at 32 channels, and pairs that must be two.

`none_` stands for the squeeze that takes no statistics.
"""

import json


def gate(squeeze="global", stats=("avg",), excite=({"kind": "fc", "reduction": 4},), **fields):
    pooled = {"kind": squeeze, "stats": list(stats)} if isinstance(squeeze, str) else squeeze
    return {"kind": "gate", "squeeze": pooled, "excite": list(excite), **fields}


def seq(*blocks):
    return {"kind": "sequential", "blocks": list(blocks)}


def par(*blocks, merge="sum"):
    return {"kind": "parallel", "blocks": list(blocks), "merge": merge}


def res(block):
    return {"kind": "residual", "block": block}


def swap(block, axis="H"):
    return {"kind": "swap", "axis": axis, "block": block}


def joined(*branches, **fields):
    return {"kind": "gate", "branches": list(branches), **fields}


def layers(*steps):
    return {"kind": "layers", "layers": list(steps)}


ID = {"kind": "identity"}
AVG = {"kind": "global", "stats": ["avg"]}
NONE = {"kind": "none"}
FC = {"kind": "fc", "reduction": 4}
DW = {"kind": "conv2d", "kernel": 3, "depthwise": True}
PROJECT = {"kind": "project"}
SOFTMAX = {"kind": "act", "fn": "softmax"}
SIGMOID = {"kind": "act", "fn": "sigmoid"}
RELU_GATE = gate(activation="relu")
TWICE = {"kind": "project", "out": {"ratio": 0.5}}
MAP = gate(NONE, excite=[{"kind": "project"}])
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
    "a block alone in parallel": (par(gate()), gate()),
    "a sum with what is there, and a residual": (par(ID, gate(activation="relu")), res(gate(activation="relu"))),
    "a sum with what is there, the other way round": (par(gate(activation="relu"), ID), res(gate(activation="relu"))),
    "blocks side by side in any order": (par(gate(), SPATIAL), par(SPATIAL, gate())),
    "a maximum in any order": (par(gate(), SPATIAL, merge="max"), par(SPATIAL, gate(), merge="max")),
    "sums of sums": (par(gate(), par(SPATIAL, MAP)), par(par(gate(), SPATIAL), MAP)),
    "a residual of a sigmoid gate, and 1 + sigmoid": (res(gate()), gate(activation="sigmoid1p")),
    "a residual of a tanh gate, and 1 + tanh": (res(gate(activation="tanh")), gate(activation="tanh1p")),
    "a swap of a swap": (swap(swap(SPATIAL)), SPATIAL),
    "a swap of nothing": (swap(ID, "W"), ID),
    "a split into one": ({"kind": "split", "blocks": [gate()]}, gate()),
    "a split of nothing": ({"kind": "split", "groups": 4, "blocks": [ID, ID]}, ID),
    "a shuffle of single channels": (
        {"kind": "split", "blocks": [gate(), MAP], "shuffle": 32},
        {"kind": "split", "blocks": [gate(), MAP]},
    ),
    "groups of nothing before a shuffle": (
        {"kind": "split", "groups": 4, "blocks": [ID, ID], "shuffle": 2},
        {"kind": "split", "blocks": [ID], "shuffle": 2},
    ),
    "a gate with one branch": (joined({"squeeze": AVG, "excite": [FC]}), gate()),
    "a gate with one branch, whatever its merge": (
        joined({"squeeze": {"kind": "directional", "stats": ["avg"]}, "excite": [FC]}, merge="gate_max"),
        gate("directional"),
    ),
    "branches of a gate in any order": (
        joined({"squeeze": AVG, "excite": [FC]}, {"squeeze": NONE, "excite": [{"kind": "project"}]}),
        joined({"squeeze": NONE, "excite": [{"kind": "project"}]}, {"squeeze": AVG, "excite": [FC]}),
    ),
    "layers in two blocks": (
        seq(layers({"kind": "conv2d", "depthwise": True}), layers({"kind": "act"})),
        layers({"kind": "conv2d", "depthwise": True}, {"kind": "act"}),
    ),
    "layers that do nothing": (layers({"kind": "act", "fn": "identity"}), ID),
    "one branch of layers": (
        gate("none_", excite=[{"kind": "branches", "branches": [[{"kind": "project"}]]}]),
        gate("none_", excite=[{"kind": "project"}]),
    ),
    "branches of layers in any order": (
        gate("none_", excite=[{"kind": "branches", "branches": [[], [{"kind": "project"}]]}]),
        gate("none_", excite=[{"kind": "branches", "branches": [[{"kind": "project"}], []]}]),
    ),
    "as many groups as maps, and depthwise": (
        gate("none_", excite=[{"kind": "conv2d", "groups": 32, "out": "C"}]),
        gate("none_", excite=[{"kind": "conv2d", "depthwise": True}]),
    ),
    "a square kernel as a pair": (
        gate("none_", excite=[{"kind": "conv2d", "kernel": [3, 3]}]),
        gate("none_", excite=[{"kind": "conv2d", "kernel": 3}]),
    ),
    "a group norm of each channel, and as many groups": (
        gate("none_", excite=[{"kind": "norm", "type": "group", "groups": "each"}]),
        gate("none_", excite=[{"kind": "norm", "type": "group", "groups": 32}]),
    ),
    "a group norm of one group by default": (
        gate("none_", excite=[{"kind": "norm", "type": "group"}]),
        gate("none_", excite=[{"kind": "norm", "type": "group", "groups": 1}]),
    ),
    "fc with a layer norm, and its layers": (
        gate(excite=[{"kind": "fc", "reduction": 4, "norm": "layer"}]),
        gate(
            excite=[
                {"kind": "project", "out": 8},
                {"kind": "norm", "type": "group"},
                {"kind": "act"},
                {"kind": "project"},
            ]
        ),
    ),
    "zero weights of a layer without bias": (
        gate(excite=[{"kind": "project", "bias": False, "zero_init": "all"}]),
        gate(excite=[{"kind": "project", "bias": False, "zero_init": "weight"}]),
    ),
    "filters as a rule": (
        gate(excite=[{"kind": "conv1d", "filters": {"ratio": 8}}, {"kind": "conv1d"}]),
        gate(excite=[{"kind": "conv1d", "filters": 4}, {"kind": "conv1d"}]),
    ),
    "a last act that another one hides": (
        gate(excite=[PROJECT, SIGMOID, {"kind": "act", "fn": "identity"}], activation="identity"),
        gate(excite=[PROJECT]),
    ),
    "a last act in a branch alone": (
        gate(excite=[{"kind": "branches", "branches": [[PROJECT, SIGMOID]]}], activation="identity"),
        gate(excite=[PROJECT]),
    ),
    "a last act in the tail": (
        gate("directional", excite=[PROJECT], tail=[SIGMOID], activation="identity"),
        gate("directional", excite=[PROJECT]),
    ),
    "a sum with what is there, of several": (par(ID, RELU_GATE, MAP), res(par(RELU_GATE, MAP))),
    "a residual in a sum": (par(res(RELU_GATE), MAP), res(par(RELU_GATE, MAP))),
    "a sum in a sum, with what is there": (par(par(ID, RELU_GATE), MAP), res(par(RELU_GATE, MAP))),
    "a mean of what is there": (par(ID, ID, merge="mean"), ID),
    "layer norm, and a group norm of one group": (
        gate("none_", excite=[{"kind": "norm", "type": "layer"}]),
        gate("none_", excite=[{"kind": "norm", "type": "group", "groups": 1}]),
    ),
    "a reduction of gathered values": (
        {"kind": "gather_excite", "reduction": 4},
        {"kind": "gather_excite", "reduction": {"width": 8}},
    ),
    "sharing of an affine without strips": (
        gate(excite=[{"kind": "affine", "sharing": "separate"}]),
        gate(excite=[{"kind": "affine"}]),
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
    "residual": (gate(activation="relu"), res(gate(activation="relu"))),
    "side by side or one after the other": (par(gate(), SPATIAL), seq(gate(), SPATIAL)),
    "how outputs are merged": (par(gate(), SPATIAL), par(gate(), SPATIAL, merge="max")),
    "a mean of means": (
        par(gate(), par(SPATIAL, MAP, merge="mean"), merge="mean"),
        par(gate(), SPATIAL, MAP, merge="mean"),
    ),
    "sum and maximum nested": (par(gate(), par(SPATIAL, MAP, merge="max")), par(gate(), SPATIAL, MAP)),
    "the axis of a swap": (swap(SPATIAL), swap(SPATIAL, "W")),
    "swapped or not": (swap(SPATIAL), SPATIAL),
    "swapped twice, by two axes": (swap(swap(SPATIAL, "W")), SPATIAL),
    "groups": ({"kind": "split", "groups": 2, "blocks": [gate()]}, {"kind": "split", "groups": 4, "blocks": [gate()]}),
    "order of chunks": ({"kind": "split", "blocks": [gate(), MAP]}, {"kind": "split", "blocks": [MAP, gate()]}),
    "shuffle": ({"kind": "split", "blocks": [gate(), MAP], "shuffle": 2}, {"kind": "split", "blocks": [gate(), MAP]}),
    "a group of chunks or a chunk of groups": (
        {"kind": "split", "groups": 2, "blocks": [gate(), gate()]},
        {"kind": "split", "groups": 4, "blocks": [gate()]},
    ),
    "biased deviation": (gate(stats=("std",)), gate(stats=({"kind": "std", "unbiased": True},))),
    "eps of a statistic": (gate(stats=("l2",)), gate(stats=({"kind": "l2", "eps": 0},))),
    "norms": (gate(stats=("l1",)), gate(stats=("l2",))),
    "sharpness": (gate(stats=("lse",)), gate(stats=({"kind": "lse", "sharpness": 4},))),
    "frequencies": (
        gate(stats=({"kind": "dct", "frequencies": [[0, 1]]},)),
        gate(stats=({"kind": "dct", "frequencies": [[1, 0]]},)),
    ),
    "a learned mean": (gate(stats=("attention",)), gate()),
    "initial scale": (gate(excite=[{"kind": "affine"}]), gate(excite=[{"kind": "affine", "scale": 0}])),
    "shift": (gate(excite=[{"kind": "affine"}]), gate(excite=[{"kind": "affine", "shift": None}])),
    "zero init": (gate(), gate(excite=[{"kind": "fc", "reduction": 4, "zero_init": "all"}])),
    "what is zero at first": (
        gate(excite=[{"kind": "project", "zero_init": "all"}]),
        gate(excite=[{"kind": "project", "zero_init": "weight"}]),
    ),
    "standardized by": (
        gate(excite=[{"kind": "standardize"}]),
        gate(excite=[{"kind": "standardize", "by": "rms"}]),
    ),
    "norm over the batch or a sample": (
        gate(excite=[{"kind": "fc", "reduction": 4, "norm": "batch"}]),
        gate(excite=[{"kind": "fc", "reduction": 4, "norm": "layer"}]),
    ),
    "merge of branches": (
        joined({"squeeze": AVG, "excite": [FC]}, {"squeeze": NONE, "excite": [DW]}),
        joined({"squeeze": AVG, "excite": [FC]}, {"squeeze": NONE, "excite": [DW]}, merge="logit_product"),
    ),
    "order in a stack of branches": (
        layers({"kind": "branches", "merge": "stack", "branches": [[], [DW]]}, {"kind": "project"}),
        layers({"kind": "branches", "merge": "stack", "branches": [[DW], []]}, {"kind": "project"}),
    ),
    "order of chunks that a selection chooses from": (
        {"kind": "select", "stem": [TWICE], "branches": [[], [DW]]},
        {"kind": "select", "stem": [TWICE], "branches": [[DW], []]},
    ),
    "direction of a strip": (
        gate("none_", excite=[{"kind": "conv2d", "kernel": [1, 7]}]),
        gate("none_", excite=[{"kind": "conv2d", "kernel": [7, 1]}]),
    ),
    "groups of a convolution": (
        gate("none_", excite=[{"kind": "conv2d", "groups": 2, "out": "C"}]),
        gate("none_", excite=[{"kind": "conv2d", "out": "C"}]),
    ),
    "filters": (
        gate(excite=[{"kind": "conv1d", "filters": 2}, {"kind": "conv1d"}]),
        gate(excite=[{"kind": "conv1d"}, {"kind": "conv1d"}]),
    ),
    "softmax": (gate(activation="softmax"), gate()),
    "softmax of each strip, and of what both leave": (
        gate("directional", excite=[{"kind": "project", "out": 1}, SOFTMAX], activation="identity"),
        gate("directional", excite=[{"kind": "project", "out": 1}], tail=[SOFTMAX], activation="identity"),
    ),
    "slope below zero": (gate(activation="leaky_relu"), gate(activation="relu")),
    "extent": ({"kind": "gather_excite"}, {"kind": "gather_excite", "extent": 4}),
    "how it is gathered": ({"kind": "gather_excite"}, {"kind": "gather_excite", "gather": "conv"}),
    "lambda": ({"kind": "simam"}, {"kind": "simam", "regularization": 1e-3}),
    "groups of a similarity": ({"kind": "sge", "groups": 4}, {"kind": "sge", "groups": 8}),
    "a kernel, whose circle is not a line": (
        gate(excite=[{"kind": "conv1d"}]),
        gate(excite=[{"kind": "conv1d", "padding": "circular"}]),
    ),
    "a tail after a merge of strips": (
        gate("directional", excite=[{"kind": "project"}]),
        gate("directional", excite=[], tail=[{"kind": "project"}]),
    ),
}


def fixed(pairs):
    return {
        name: json.loads(json.dumps(pair).replace('{"kind": "none_", "stats": ["avg"]}', '{"kind": "none"}'))
        for name, pair in pairs.items()
    }


SAME, OTHER = fixed(SAME), fixed(OTHER)
