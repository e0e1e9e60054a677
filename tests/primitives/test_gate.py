import pytest
import torch
from torch import Tensor

from attnspace import SpecError, build, parse_spec


def gate(squeeze, *excite, **fields):
    return {"kind": "gate", "squeeze": squeeze, "excite": list(excite), **fields}


def pooled(kind, *stats, **fields):
    return {"kind": kind, "stats": list(stats), **fields}


FC = {"kind": "fc", "reduction": 2, "bias": False}


def weights(module) -> list[Tensor]:
    return [w.flatten(1) for w in module.parameters()]


def made(data, channels=8):
    torch.manual_seed(1)
    return build(data, channels).double()


def mlp(v: Tensor, down: Tensor, up: Tensor) -> Tensor:
    return torch.relu(v @ down.T) @ up.T


@pytest.mark.parametrize(("combine", "join"), [("sum", lambda a, b: a + b), ("mean", lambda a, b: (a + b) / 2)])
def test_sum_and_mean_combine_before_the_excitation(x, combine, join):
    module = made(gate(pooled("global", "avg", "max", combine=combine), FC))
    v = join(x.mean((2, 3)), x.amax((2, 3)))
    expected = x * torch.sigmoid(mlp(v, *weights(module)))[..., None, None]
    torch.testing.assert_close(module(x), expected)


def test_stack_puts_statistics_side_by_side(x):
    module = made(gate(pooled("global", "avg", "max", combine="stack"), FC))
    down, up = weights(module)
    assert down.shape == (4, 16)
    v = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
    torch.testing.assert_close(module(x), x * torch.sigmoid(mlp(v, down, up))[..., None, None])


@pytest.mark.parametrize(
    ("merge", "join"),
    [
        ("logit_sum", lambda a, b: torch.sigmoid(a + b)),
        ("logit_product", lambda a, b: torch.sigmoid(a * b)),
        ("gate_sum", lambda a, b: torch.sigmoid(a) + torch.sigmoid(b)),
        ("gate_product", lambda a, b: torch.sigmoid(a) * torch.sigmoid(b)),
        ("gate_mean", lambda a, b: (torch.sigmoid(a) + torch.sigmoid(b)) / 2),
        ("gate_max", lambda a, b: torch.maximum(torch.sigmoid(a), torch.sigmoid(b))),
    ],
)
def test_merge_joins_statistics_at_its_level(x, merge, join):
    module = made(gate(pooled("global", "avg", "max"), FC, merge=merge))
    a, b = (mlp(v, *weights(module)) for v in (x.mean((2, 3)), x.amax((2, 3))))
    torch.testing.assert_close(module(x), x * join(a, b)[..., None, None])


def test_statistics_under_a_directional_squeeze_are_summed_in_each_strip_first(x):
    project = {"kind": "project", "bias": False, "sharing": "separate"}
    module = made(gate(pooled("directional", "avg", "max"), project, merge="gate_product"))
    rows, columns = weights(module)
    h = torch.einsum("nch,dc->ndh", x.mean(3) + x.amax(3), rows)[..., None]
    w = torch.einsum("ncw,dc->ndw", x.mean(2) + x.amax(2), columns)[:, :, None]
    torch.testing.assert_close(module(x), x * torch.sigmoid(h) * torch.sigmoid(w))


@pytest.mark.parametrize(("sharing", "bns"), [("joint", 1), ("shared", 1), ("separate", 2)])
def test_sharing_decides_which_batch_statistics_a_norm_sees(x, sharing, bns):
    module = made(gate(pooled("directional", "avg"), {"kind": "norm", "sharing": sharing}, activation="identity"))
    module.train()(x)
    h, w = x.mean(3), x.mean(2)
    means = [b for name, b in module.named_buffers() if name.endswith("running_mean")]
    assert len(means) == bns
    together, first, second = (t.mean((0, 2)) for t in (torch.cat([h, w], 2), h, w))
    expected = {
        "joint": [0.1 * together],
        "shared": [0.9 * 0.1 * first + 0.1 * second],
        "separate": [0.1 * first, 0.1 * second],
    }[sharing]
    for found, wanted in zip(means, expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_tail_comes_between_logit_merge_and_activation(x):
    tail = [{"kind": "project", "out": 1, "bias": False}]
    module = made(gate(pooled("directional", "avg"), tail=tail))
    (head,) = weights(module)
    logits = x.mean(3, keepdim=True) + x.mean(2, keepdim=True)
    torch.testing.assert_close(module(x), x * torch.sigmoid(torch.einsum("nchw,dc->ndhw", logits, head)))


def test_apply_add_adds_the_gate(x):
    module = made(gate(pooled("global", "avg"), activation="identity", apply="add"))
    torch.testing.assert_close(module(x), x + x.mean((2, 3), keepdim=True))


def test_strips_are_convolved_along_their_length(x):
    module = made(gate(pooled("directional", "avg"), {"kind": "conv1d", "kernel": 3, "bias": False}))
    (kernel,) = module.parameters()
    h, w = x.mean(3), x.mean(2)
    conv = [torch.nn.functional.conv1d(s, kernel.squeeze(-1), padding=1, groups=8) for s in (h, w)]
    expected = x * torch.sigmoid(conv[0][..., None] + conv[1][:, :, None])
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            gate(pooled("global", "avg"), {"kind": "conv2d"}),
            r"excite\.0: conv2d cannot be applied to .* squeeze global",
        ),
        (gate(pooled("channel", "avg"), {"kind": "conv1d"}), r"excite\.0: conv1d cannot be applied"),
        (gate(pooled("global", "avg", "avg"), FC), r"squeeze\.stats\.1: statistic avg is listed twice"),
        (gate(pooled("global", "avg"), {"kind": "fc", "reduction": 99}), r"excite\.0\.reduction: reduction 99 leaves"),
        (
            gate(pooled("global", "avg"), {"kind": "project", "out": 3}),
            r"excite: the gate has 3 channels and the map has 8",
        ),
        (gate(pooled("global", "avg", "max", combine="stack")), r"excite: the gate has 16 channels"),
        (gate({"kind": "none"}, merge="gate_sum", tail=[FC]), r"tail: a tail comes between"),
        (gate({"kind": "none"}, {"kind": "norm", "type": "group", "groups": 3}), r"excite\.0\.groups: 3 groups do not"),
        (
            gate({"kind": "none"}, {"kind": "norm", "groups": 2}),
            r"excite\.0\.groups: batch normalisation has no groups",
        ),
        (gate({"kind": "none"}, {"kind": "conv2d", "depthwise": True, "out": 1}), r"excite\.0\.out: a depthwise"),
        (gate(pooled("global", "avg"), {"kind": "conv1d", "kernel": 2}), r"excite\.0\.kernel: kernel 2 is even"),
    ],
)
def test_impossible_gates_are_refused_with_their_place(data, message):
    with pytest.raises(SpecError, match=message):
        build(parse_spec(data), 8)
