import pytest
import torch
from torch import nn

from attnspace.modules.precision import may_widen, widened


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_map_of_fewer_bits_is_widened_to_float32(dtype):
    assert widened(torch.ones(2, dtype=dtype)).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_map_of_enough_bits_is_left_as_it_is(dtype):
    x = torch.ones(2, dtype=dtype)
    assert widened(x) is x


def test_a_trace_widens_what_it_is_given_not_what_it_was_traced_with():
    traced = torch.fx.symbolic_trace(widened)
    for dtype, wide in ((torch.float16, torch.float32), (torch.float64, torch.float64)):
        assert traced(torch.ones(2, dtype=dtype)).dtype == wide


def test_modules_that_autocast_widens_are_found_inside_others():
    assert may_widen(nn.ReLU(), nn.Sequential(nn.Sequential(nn.GroupNorm(1, 4))))
    assert not may_widen(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Sigmoid()))
