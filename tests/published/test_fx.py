"""What torch does by torch.fx works on every block: tracing, fusing of batch norms, and quantisation after training."""

import copy

import pytest
import torch
from torch import Tensor, fx, nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from attnspace import build, load_spec, published
from attnspace.language.identity import usual_channels
from tests.oracles import stir


def built(name: str) -> tuple[nn.Module, Tensor]:
    """A block with weights that are nowhere zero, in evaluation, and a map."""
    channels = usual_channels(load_spec(name))
    torch.manual_seed(0)
    return stir(build(name, channels)).eval(), torch.randn(2, channels, 9, 7)


@pytest.mark.parametrize("name", published())
def test_a_trace_computes_what_the_block_computes_at_every_size(name):
    module, x = built(name)
    traced = fx.symbolic_trace(module)
    assert dict(traced.named_parameters()).keys() == dict(module.named_parameters()).keys()
    for given in (x, x[:1, :, :6, :6]):
        assert torch.equal(traced(given), module(given))
    assert torch.equal(traced.train()(x), module.train()(x))
    assert traced.half()(x.half()).dtype == torch.float16


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", published())
def test_batch_norms_are_fused_into_the_convolutions_before_them(name):
    from torch.fx.experimental.optimization import fuse  # warns of torch.jit

    module, x = built(name)
    fused = fuse(module)
    before, after = (sum(isinstance(part, nn.BatchNorm2d) for part in each.modules()) for each in (module, fused))
    assert after < before or before == 0 or name == "srm"  # whose batch norm follows no convolution
    torch.testing.assert_close(fused(x), module(x))


@pytest.mark.filterwarnings("ignore")  # torch announces another way to quantise
@pytest.mark.parametrize("name", published())
def test_a_block_is_quantised(name):
    module, x = built(name)
    prepared = prepare_fx(copy.deepcopy(module), get_default_qconfig_mapping("x86"), (x,))
    torch.testing.assert_close(prepared(x), module(x))
    if name == "eca-circular":  # torch quantises no circular padding
        return
    far = (convert_fx(prepared)(x) - module(x)).abs().mean() / module(x).abs().mean()
    assert far < 0.5  # of 8 bits, with weights that no training made
