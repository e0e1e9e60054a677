import copy
import pickle

import pytest
import torch
from torch import nn

from attnspace.modules.norm import batch_norm

ONE = torch.zeros(1, 4, 1, 1)


@pytest.mark.parametrize("copied", [lambda norm: norm, copy.deepcopy, lambda norm: pickle.loads(pickle.dumps(norm))])
def test_a_batch_of_one_is_refused_in_training_with_the_remedy(copied):
    norm = copied(batch_norm(4))
    assert type(norm) is nn.BatchNorm2d
    with pytest.raises(ValueError, match=r"at least two samples in training; got batch 1; use a larger batch, eval"):
        norm(ONE)
    assert norm.eval()(ONE).shape == ONE.shape


def test_the_check_stays_in_a_traced_network():
    traced = torch.fx.symbolic_trace(nn.Sequential(batch_norm(4), nn.ReLU()))
    with pytest.raises(ValueError, match="at least two samples in training"):
        traced(ONE)
    assert traced(ONE.expand(2, -1, -1, -1)).shape == (2, 4, 1, 1)
