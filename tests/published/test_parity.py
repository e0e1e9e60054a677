import pytest
import torch

from attnspace import SpecError, build, published
from tests.oracles import CHANNELS, ORACLES, Oracle, copy_weights, differences, sample

CASES = [(oracle, channels) for oracle in ORACLES for channels in CHANNELS if channels >= oracle.min_channels]


def pair(oracle: Oracle, channels: int, seed: int = 0):
    torch.manual_seed(seed)
    reference = oracle.make(channels)
    ours = build(oracle.block, channels)
    copy_weights(reference, ours)
    return reference, ours


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("oracle", "channels"), CASES, ids=str)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-6)], ids=["f64", "f32"])
def test_block_equals_its_oracle(oracle, channels, dtype, bound, train):
    found = differences(*pair(oracle, channels), sample(channels, dtype=dtype), train=train)
    assert all(value <= bound for value in found.values()), found


@pytest.mark.parametrize("oracle", ORACLES, ids=str)
def test_block_equals_its_oracle_on_square_inputs_and_after_several_batches(oracle):
    reference, ours = pair(oracle, 64)
    for size in ((6, 6), (1, 9), (8, 3)):
        found = differences(reference, ours, sample(64, dtype=torch.float64, size=size), train=True)
        assert all(value <= 1e-12 for value in found.values()), found


@pytest.mark.parametrize("oracle", ORACLES, ids=str)
def test_same_seed_gives_the_same_initial_weights(oracle):
    torch.manual_seed(7)
    reference = list(oracle.make(64).parameters())
    torch.manual_seed(7)
    ours = list(build(oracle.block, 64).parameters())
    assert all(torch.equal(a.reshape(b.shape), b) for a, b in zip(reference, ours, strict=True))


def test_every_published_block_has_an_oracle():
    assert {oracle.block for oracle in ORACLES} == set(published())


@pytest.mark.parametrize("block", ["se", "se-official", "cbam", "cbam-official", "ca"])
def test_sixteenth_of_eight_channels_is_refused(block):
    with pytest.raises(SpecError, match="leaves no hidden unit for 8 channels"):
        build(block, 8)


@pytest.mark.parametrize(("channels", "kernel"), [(8, 3), (96, 3), (128, 5), (1024, 5), (2048, 7)])
def test_adaptive_kernel_follows_the_paper(channels, kernel):
    (weight,) = build("eca-official", channels).parameters()
    assert weight.shape == (1, 1, kernel)


@pytest.mark.parametrize(("channels", "hidden"), [(24, 2), (40, 3), (64, 4), (8, 1)])
def test_timm_cbam_rounds_its_hidden_width(channels, hidden):
    assert next(build("cbam-timm", channels).parameters()).shape[0] == hidden
