import pytest
import torch
from torch import Tensor


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 8, 5, 3, dtype=torch.float64)
