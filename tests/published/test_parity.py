import pytest
import torch

from attnspace import SpecError, build, published
from attnspace.language.identity import resolve
from attnspace.language.specs import read_spec
from tests.oracles import ORACLES, Oracle, copy_weights, differences, rounding, sample, stir

CASES = [(oracle, channels) for oracle in ORACLES for channels in oracle.channels]


def pair(oracle: Oracle, channels: int, seed: int = 0):
    torch.manual_seed(seed)
    reference = stir(oracle.make(channels))
    ours = build(oracle.block, channels)
    copy_weights(reference, ours, oracle.order)
    return reference, ours


def found(oracle: Oracle, channels: int, x: torch.Tensor, *, train: bool) -> dict[str, float]:
    return differences(*pair(oracle, channels), x, train=train, order=oracle.order)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("oracle", "channels"), CASES, ids=str)
def test_block_equals_its_oracle(oracle, channels, train):
    far = found(oracle, channels, sample(channels, dtype=torch.float64, size=oracle.sizes[0]), train=train)
    assert all(value <= 1e-12 for value in far.values()), far


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("oracle", ORACLES, ids=str)
def test_in_float32_a_block_is_as_near_to_its_oracle_as_rounding_allows(oracle, train):
    """Within 1e-6, or within a small multiple of what float32 does to the oracle itself."""
    channels = oracle.channels[0]
    reference, ours = pair(oracle, channels)
    x = sample(channels, dtype=torch.float32, size=oracle.sizes[0])
    own = rounding(reference, x, train=train)
    far = differences(reference, ours, x, train=train, order=oracle.order)
    assert all(far[name] <= max(1e-6, 20 * own[name]) for name in far), (far, own)


@pytest.mark.parametrize("oracle", ORACLES, ids=str)
def test_block_equals_its_oracle_on_other_sizes_and_after_several_batches(oracle):
    channels = oracle.channels[-1]
    reference, ours = pair(oracle, channels)
    for size in oracle.sizes[1:]:
        x = sample(channels, dtype=torch.float64, size=size)
        for train in (True, True, False):
            far = differences(reference, ours, x, train=train, order=oracle.order)
            assert all(value <= 1e-12 for value in far.values()), far


@pytest.mark.parametrize("oracle", ORACLES, ids=str)
def test_a_batch_of_one_equals_the_oracle_or_is_refused_with_the_remedy(oracle):
    channels = oracle.channels[0]
    x = sample(channels, dtype=torch.float64, batch=1)
    far = found(oracle, channels, x, train=False)
    assert all(value <= 1e-12 for value in far.values()), far
    if oracle.batch_one:
        far = found(oracle, channels, x, train=True)
        assert all(value <= 1e-12 for value in far.values()), far
    else:
        with pytest.raises(ValueError, match=r"at least two samples in training; got batch 1; use a larger batch"):
            build(oracle.block, channels).double().train()(sample(channels, dtype=torch.float64, batch=1, size=(2, 2)))


@pytest.mark.parametrize("oracle", [oracle for oracle in ORACLES if oracle.same_init], ids=str)
def test_same_seed_gives_the_same_initial_weights(oracle):
    channels = oracle.channels[0]
    torch.manual_seed(7)
    reference = list(oracle.make(channels).parameters())
    torch.manual_seed(7)
    ours = list(build(oracle.block, channels).parameters())
    theirs = [reference[i] for i in oracle.order or range(len(reference))]
    assert all(torch.equal(a.reshape(b.shape), b) for a, b in zip(theirs, ours, strict=True))


@pytest.mark.parametrize("name", published())
def test_every_published_block_names_its_oracles(name):
    about = read_spec(name)
    assert about.name == name
    assert about.doc
    assert about.source
    assert about.formula
    assert about.oracle == "; ".join(oracle.name for oracle in ORACLES if oracle.block == name)


@pytest.mark.parametrize(
    ("block", "channels", "message"),
    [
        *((name, 8, "leaves no hidden unit for 8 channels") for name in ("se", "se-official", "cbam", "ca", "bam")),
        ("shuffle", 64, "64 groups of 2 chunks do not divide 64 channels"),
        ("lct", 24, "64 groups do not divide 24 channels"),
        ("sge", 24, "64 groups do not divide 24 channels"),
        ("fca", 24, "16 frequencies do not divide 24 channels"),
        ("sk", 24, "32 groups do not divide 24 channels"),
        ("ela", 24, "16 groups do not divide 24 channels"),
    ],
)
def test_a_channel_count_at_which_a_block_is_impossible_is_refused(block, channels, message):
    with pytest.raises(SpecError, match=message):
        resolve(block, channels)


@pytest.mark.parametrize(("channels", "kernel"), [(8, 3), (96, 3), (128, 5), (1024, 5), (2048, 7)])
def test_adaptive_kernel_follows_the_paper(channels, kernel):
    (weight,) = build("eca-official", channels).parameters()
    assert weight.shape == (1, 1, kernel)


@pytest.mark.parametrize(("channels", "hidden"), [(24, 2), (40, 3), (64, 4), (8, 1)])
def test_timm_cbam_rounds_its_hidden_width(channels, hidden):
    assert next(build("cbam-timm", channels).parameters()).shape[0] == hidden


@pytest.mark.parametrize("name", ["gct", "gct-l1", "grn", "gc"])
def test_blocks_that_start_as_the_identity_do(name):
    x = torch.randn(2, 64, 5, 7)
    assert torch.equal(build(name, 64)(x), x)
