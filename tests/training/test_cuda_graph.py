"""What is around a CUDA graph, on a CPU: a replay here runs the step itself.

That a real graph is captured and gives the same training is checked by `tests/benchmarks/gpu_checks.py`.
"""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from attnspace.backbones import ResNet
from attnspace.data import DigitsConfig
from attnspace.data.augment import Augment
from attnspace.training import cuda_graph as graph
from attnspace.training.recipe import Recipe
from attnspace.training.training import Training

DATA = DigitsConfig(train_images=100).load()
RECIPE = Recipe(epochs=3, batch_size=25, augment=Augment(shift=1, flip=True, cutout=2, mixup=0.3), ema=0.9)


def begun() -> Training:
    torch.manual_seed(0)
    training = Training(ResNet(8, 8, 1, 10), DATA, RECIPE, 0)
    rates_are_tensors(training)
    return training


def rates_are_tensors(training: Training) -> None:
    """As on a GPU."""
    for group in training._step.optimizer.param_groups:
        group["lr"] = torch.tensor(RECIPE.lr)


class Direct:
    """Stands for a graph: replays by running."""

    def __init__(self, step) -> None:
        self.replay = step


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Streams and graphs that do nothing. What runs while a graph is captured is run here, and is to be undone."""
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda given: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", lambda given: nullcontext())


def test_replays_are_the_training_step_by_step(monkeypatch):
    monkeypatch.setattr(graph, "_captured", lambda replayed, step, counters, device: Direct(replayed))
    one_by_one, replayed = begun(), begun()
    one_by_one.run(3)
    replayed._may_capture = True
    replayed.run(2)
    assert replayed.how == "CUDA graph"
    replayed.restore(replayed.state())
    replayed.run(3)
    for epoch, other in zip(one_by_one.history, replayed.history, strict=True):
        assert other.metrics["train_loss"] == pytest.approx(epoch.metrics["train_loss"], rel=1e-4)
        assert other.metrics["val_loss"] == pytest.approx(epoch.metrics["val_loss"], rel=1e-3)
        assert other.metrics["lr"] == epoch.metrics["lr"]
    for name, weight in one_by_one.model.state_dict().items():
        torch.testing.assert_close(replayed.model.state_dict()[name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("trained", [0, 1])
def test_warming_up_and_capturing_leave_the_training_as_it_was(as_on_a_gpu, monkeypatch, trained):
    real = graph._captured

    def captured(replayed, step, counters, device):
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Direct(replayed))
        before = [tensor.clone() for tensor in step.model.state_dict().values()]
        average = [tensor.clone() for tensor in step.average.state_dict().values()]
        momenta = [state["momentum_buffer"].clone() for state in step.optimizer.state.values()]
        real(replayed, step, counters, device)
        assert all(torch.equal(a, b) for a, b in zip(before, step.model.state_dict().values(), strict=True))
        assert all(torch.equal(a, b) for a, b in zip(average, step.average.state_dict().values(), strict=True))
        after = [state["momentum_buffer"] for state in step.optimizer.state.values()]
        assert len(after) == len(list(step.model.parameters()))
        assert all(torch.equal(a, b) for a, b in zip(momenta, after, strict=True))
        return Direct(replayed)

    monkeypatch.setattr(graph, "_captured", captured)
    one_by_one, replayed = begun(), begun()
    one_by_one.run(3)
    replayed.run(trained)
    rates_are_tensors(replayed)
    replayed._may_capture = True
    replayed.run(3)
    assert replayed.how == "CUDA graph"
    assert replayed.history[-1].metrics["val_loss"] == pytest.approx(
        one_by_one.history[-1].metrics["val_loss"], rel=1e-3
    )


def test_a_step_that_cannot_be_captured_is_taken_one_by_one_and_says_why(as_on_a_gpu, monkeypatch):
    @contextmanager
    def refuses(given):
        yield
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    monkeypatch.setattr(torch.cuda, "graph", refuses)
    plain, refused = begun(), begun()
    plain.run(2)
    refused._may_capture = True
    refused.run(2)
    assert refused.how == (
        "one by one: no CUDA graph can be captured: operation not permitted when stream is capturing"
    )
    assert refused.history == plain.history


def test_a_graph_that_does_nothing_is_refused(as_on_a_gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Direct(lambda: None))
    plain, refused = begun(), begun()
    plain.run(2)
    refused._may_capture = True
    refused.run(2)
    assert refused.how == "one by one: no CUDA graph can be captured: the captured graph does nothing"
    assert refused.history == plain.history


def test_streamed_images_are_taken_one_by_one(monkeypatch):
    training = begun()
    training._may_capture = True
    training.device_data.train.images = None
    training.run(1)
    assert training.how == "one by one: the images are streamed"
