"""Which part counts of what a network returns, and whether it can be trained at all."""

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from attnspace.data import DigitsConfig
from attnspace.errors import StudyError, TrainingFailed
from attnspace.training.outputs import main_output, main_part
from attnspace.training.rehearsal import rehearse

X, AUX = torch.ones(2, 10), torch.zeros(2, 10)
Outputs = namedtuple("Outputs", ["logits", "aux_logits"])


@dataclass
class ModelOutput:
    """As transformers returns it."""

    loss: None
    logits: Tensor


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (X, "the tensor that it returns"),
        (Outputs(X, AUX), "'logits' of the Outputs that it returns"),
        (ModelOutput(None, X), "'logits' of the ModelOutput that it returns"),
        ({"aux": AUX, "out": X}, "'out' of the dict that it returns"),
        ({"aux": AUX, "logits": X}, "'logits' of the dict that it returns"),
        ({"scores": X, "name": "a"}, "'scores' of the dict that it returns"),
        ((X, AUX), "the first of the 2 things that it returns"),
        ([X], "the first of the 1 things that it returns"),
    ],
    ids=str,
)
def test_the_main_output_counts(returned, said):
    assert main_output(returned) is X
    assert main_part(returned) == (X, said)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"a": X, "b": AUX}, "the network returns a dict of a, b; allowed: a tensor, a mapping with 'logits'"),
        ((), "the network returns a tuple; allowed"),
        ((1, X), "the network returns a tuple; allowed"),
        (None, "the network returns a NoneType; allowed"),
    ],
    ids=str,
)
def test_an_output_that_cannot_be_told_is_refused(returned, message):
    with pytest.raises(TrainingFailed) as raised:
        main_output(returned)
    assert str(raised.value).startswith(message)


@pytest.fixture(scope="module")
def data():
    return DigitsConfig().load()


class Net(nn.Module):
    def __init__(self, classes: int = 10, returns=lambda x, training: x) -> None:
        super().__init__()
        self.conv, self.fc, self.returns = nn.Conv2d(1, 4, 1), nn.Linear(4, classes), returns

    def forward(self, x_nchw: Tensor) -> Tensor:
        return self.returns(self.fc(self.conv(x_nchw).mean((2, 3))), self.training)


def test_a_network_that_can_be_trained_has_no_notes(data):
    network, stream = Net(), torch.get_rng_state()
    assert rehearse(network, data) == ()
    assert torch.equal(torch.get_rng_state(), stream)


def test_it_is_said_which_output_counts(data):
    assert rehearse(Net(returns=lambda x, training: {"out": x, "aux": x}), data) == (
        "what counts of the network's output is 'out' of the dict that it returns",
    )
    both = rehearse(Net(returns=lambda x, training: x if training else (x.softmax(1), x)), data)
    assert both == (
        "in training what counts of the network's output is the tensor that it returns",
        "in evaluation what counts of the network's output is the first of the 2 things that it returns",
    )


def fails(x: Tensor, training: bool) -> Tensor:
    raise IndexError("out of range")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Net(1000), "the network does not give a number for each of 10 classes in training; got [2, 1000]; "),
        (
            Net(returns=lambda x, training: x[:, :, None]),
            "the network does not give a number for each of 10 classes in",
        ),
        (Net(returns=lambda x, training: {"a": x, "b": x}), "in training the network returns a dict of a, b; allowed"),
        (
            Net(returns=lambda x, training: x if training else x[:, :2]),
            "the network does not give a number for each of 10",
        ),
        (Net(returns=fails), "the network fails in training: IndexError: out of range; got [2, 1, 8, 8]"),
        (
            Net(returns=lambda x, training: x.detach()),
            "the network fails in training: RuntimeError: element 0 of tensors",
        ),
        (Net().double(), "the network fails in training: RuntimeError: "),
    ],
)
def test_a_network_that_cannot_be_trained_says_why(network, message, data):
    with pytest.raises(StudyError) as raised:
        rehearse(network, data)
    assert str(raised.value).startswith(message)
