import pytest
from timm.layers import make_divisible
from torchvision.models._utils import _make_divisible

from attnspace.errors import SpecError
from attnspace.primitives.reduction import Reduction

CHANNELS = range(8, 700, 4)


@pytest.mark.parametrize("channels", CHANNELS)
def test_rules_equal_those_of_the_field(channels):
    assert Reduction(ratio=8).at(channels) == channels // 8
    assert Reduction(ratio=32, minimum=8).at(channels) == max(8, channels // 32)
    timm = make_divisible(channels / 16, 8, round_limit=0.0)
    assert Reduction(ratio=16, divisor=8, minimum=8, rounding="round").at(channels) == timm
    torchvision = _make_divisible(channels / 4, 8)
    assert Reduction(ratio=4, divisor=8, minimum=8, rounding="divisible").at(channels) == torchvision
    assert Reduction(width=12).at(channels) == 12


def test_no_hidden_unit_is_an_error_with_its_remedy():
    with pytest.raises(SpecError, match="reduction 16 leaves no hidden unit for 8 channels; use at most 8"):
        Reduction(ratio=16).at(8)


def test_it_is_written_as_short_as_it_can_be():
    assert Reduction(ratio=16).model_dump() == 16
    assert Reduction(ratio=32, minimum=8).model_dump() == {"ratio": 32, "minimum": 8}
    assert Reduction(width=8).model_dump() == {"width": 8}
