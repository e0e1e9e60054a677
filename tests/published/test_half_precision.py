"""In float16 and bfloat16 a block is finite on large maps, and its output has the type of its input."""

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from attnspace import build, load_spec, published
from attnspace.language.identity import usual_channels

HALVES = [torch.float16, torch.bfloat16]
SMALLEST_AND_LARGEST = [(1, 56), (3, 112)]
SLOW = ("lka", "msca", "split-attention")  # many convolutions of the whole map, for which a CPU takes long in float16
L1_OF_A_MAP = {"kind": "gate", "squeeze": {"kind": "global", "stats": ["l1"]}, "activation": "tanh"}


WIDE = {"cumsum", "exp", "group_norm", "layer_norm", "log", "pow", "rsqrt", "softmax", "sum", "vector_norm"}
NARROW = {"bmm", "conv1d", "conv2d", "einsum", "linear", "matmul"}


class LikeOnGpu(TorchFunctionMode):
    """Casts what autocast casts on a GPU, which is not what it casts on a CPU."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = func.__name__.strip("_").removeprefix("linalg_")
        kind = torch.float32 if name in WIDE else torch.float16 if name in NARROW else None

        def cast(value):
            is_cast = kind and isinstance(value, Tensor) and value.dtype in (torch.float16, torch.float32)
            return value.to(kind) if is_cast else value

        return func(*tree_map(cast, args), **tree_map(cast, kwargs or {}))


def built(name: str) -> tuple[nn.Module, int]:
    """A block, and its channels."""
    channels = usual_channels(load_spec(name))
    torch.manual_seed(0)
    return build(name, channels), channels


def sample(channels: int, side: int, std: float, dtype: torch.dtype) -> Tensor:
    """A map whose channels differ in their means, as those of a network do."""
    x = (torch.randn(2, channels, side, side) + torch.linspace(-1, 1, channels).view(-1, 1, 1)) * std
    return x.to(dtype).requires_grad_()


@pytest.mark.parametrize(("std", "side"), SMALLEST_AND_LARGEST)
@pytest.mark.parametrize("name", published())
def test_under_autocast_a_block_is_finite_on_large_maps_forward_and_backward(name, std, side):
    module, channels = built(name)
    x = sample(channels, side // 2 if name in SLOW else side, std, torch.float16)
    with torch.autocast("cpu", dtype=torch.float16):
        y = module(x)
    y.float().square().mean().backward()
    gradients = [x.grad, *(parameter.grad for parameter in module.parameters())]
    assert bool(y.isfinite().all())
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", published())
def test_an_output_has_the_type_of_its_input(name, dtype):
    module, channels = built(name)
    x = sample(channels, 12, 1, dtype)
    with torch.autocast("cpu", dtype=dtype):
        assert module(x).dtype == dtype
        assert module(x.float()).dtype == torch.float32
    assert module.to(dtype)(x).dtype == dtype


@pytest.mark.parametrize("name", published())
def test_where_autocast_widens_as_on_a_gpu_an_output_has_the_type_of_its_input(name):
    module, channels = built(name)
    for dtype in (torch.float16, torch.float32):
        x = sample(channels, 12, 1, dtype)
        with LikeOnGpu():
            y = module(x)
        assert y.dtype == dtype


@pytest.mark.parametrize("name", published())
def test_in_half_precision_a_block_is_near_to_what_it_is_in_float32(name):
    module, channels = built(name)
    module.eval()
    x = sample(channels, 28, 3, torch.float16).detach()
    exact = module(x.float())
    with torch.autocast("cpu", dtype=torch.float16):
        mixed = module(x).float()
    for found in (mixed, module.half()(x).float()):
        assert (found - exact).abs().mean() < 0.005 * exact.abs().mean()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("layers", [[], [{"kind": "project"}], [{"kind": "affine"}, {"kind": "norm"}]], ids=str)
@pytest.mark.parametrize("squeeze", ["global", "directional", "channel"])
@pytest.mark.parametrize("tail", [[], [{"kind": "project", "out": 1}]], ids=str)
def test_sums_of_many_values_meet_weights_of_any_type(squeeze, layers, tail, dtype):
    pooled = {"kind": squeeze, "stats": ["l1", "l2", "std", "lse"], "combine": "sum"}
    module = build({"kind": "gate", "squeeze": pooled, "excite": layers, "tail": tail}, 8)
    x = sample(8, 12, 1, dtype)
    with torch.autocast("cpu", dtype=dtype):
        assert module(x).dtype == dtype
    assert module.to(dtype)(x).dtype == dtype


def test_a_sum_that_float16_cannot_hold_is_kept_in_float32():
    x = torch.full((1, 8, 300, 300), 2.0, dtype=torch.float16)
    assert torch.equal(build(L1_OF_A_MAP, 8).half()(x), x)
