import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from attnspace.backbones import ResNet
from attnspace.data import DataSplit, DigitsConfig
from attnspace.data.augment import Augment
from attnspace.data.loader import Batches
from attnspace.errors import TrainingDiverged, TrainingFailed
from attnspace.training.recipe import Recipe
from attnspace.training.training import Training, evaluate, train

DATA = DigitsConfig(train_images=100).load()


def trained(seed: int = 0, **recipe):
    torch.manual_seed(seed)
    model = ResNet(8, 8, 1, 10)
    history = train(model, DATA, Recipe(**{"epochs": 2, "batch_size": 25, "augment": Augment(shift=1), **recipe}), seed)
    return model, history


def test_same_seed_same_result():
    (one, history), (other, again) = trained(), trained()
    assert history == again
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_images_of_more_than_eight_bits_train_like_the_same_ones_of_eight():
    def deep(split: DataSplit) -> DataSplit:
        return DataSplit(split.images.float() * 257 / 65_535, split.labels)

    scaled = {"mean": DATA.mean * 257 / 65_535, "std": DATA.std * 257 / 65_535}
    data = replace(DATA, train=deep(DATA.train), validation=deep(DATA.validation), **scaled)
    recipe = Recipe(epochs=2, batch_size=25, augment=Augment(shift=1, flip=True, cutout=2, mixup=0.3))
    histories = []
    for images in (DATA, data):
        torch.manual_seed(0)
        histories.append(train(ResNet(8, 8, 1, 10), images, recipe, 0)[-1].metrics)
    assert histories[1] == pytest.approx(histories[0], rel=1e-3)


def test_another_seed_another_result():
    assert trained(0)[1] != trained(1)[1]


def test_the_global_random_stream_has_no_part_in_training():
    torch.manual_seed(0)
    model = ResNet(8, 8, 1, 10)
    torch.manual_seed(99)
    history = train(model, DATA, Recipe(epochs=2, batch_size=25, augment=Augment(shift=1)), 0)
    assert history == trained()[1]


def test_it_learns():
    _, history = trained(epochs=12, lr=0.1)
    assert [epoch.epoch for epoch in history] == list(range(1, 13))
    assert history[-1].metrics["val_accuracy"] > 0.7
    assert history[-1].metrics["train_loss"] < history[0].metrics["train_loss"]


def test_the_result_is_the_last_epochs():
    model, history = trained()
    mean, std = DATA.mean[:, None, None], DATA.std[:, None, None]
    validation = Batches(DATA.validation, torch.device("cpu"), resident=True)
    loss, accuracy = evaluate(model, validation, lambda images: model((images.float() - mean) / std))
    assert accuracy == history[-1].metrics["val_accuracy"]
    assert loss == pytest.approx(history[-1].metrics["val_loss"], rel=1e-5)


def test_a_loss_that_is_no_number_ends_the_training():
    model = ResNet(8, 8, 1, 10)
    nn.init.constant_(model.fc.weight, float("nan"))
    with pytest.raises(TrainingDiverged, match="the training loss became nan in epoch 1 of 2"):
        train(model, DATA, Recipe(epochs=2), 0)


def test_one_step_is_sgd_with_nesterov_momentum():
    """Two steps on one batch, against the update written out. Sutskever et al., 2013, in torch's form."""
    data = replace(DATA, train=DataSplit(DATA.train.images[:8], DATA.train.labels[:8]))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).double()
    weight, bias = (p.detach().clone().requires_grad_() for p in model.parameters())
    recipe = Recipe(
        epochs=2, batch_size=8, lr=0.5, momentum=0.8, weight_decay=0.01, label_smoothing=0.1, schedule="cosine"
    )
    x = ((data.train.images.float() - data.mean) / data.std).flatten(1).double()
    model.register_forward_pre_hook(lambda m, a: (a[0].double(),))
    train(model, data, recipe, 0)
    buffers = [torch.zeros_like(weight), torch.zeros_like(bias)]
    for lr in (0.5, 0.25):
        loss = nn.functional.cross_entropy(x @ weight.T + bias, data.train.labels, label_smoothing=0.1)
        grads = list(torch.autograd.grad(loss, [weight, bias]))
        grads[0] = grads[0] + 0.01 * weight.detach()
        with torch.no_grad():
            for p, g, b in zip((weight, bias), grads, buffers, strict=True):
                b.mul_(0.8).add_(g)
                p -= lr * (g + 0.8 * b)
    torch.testing.assert_close(model[1].weight, weight.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model[1].bias, bias.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_schedules_peak_at_one_and_end_at_zero(name):
    rates = Recipe(epochs=10, lr=1.0, schedule=name).rates(10)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.0, abs=1e-3)
    assert rates.index(max(rates)) == (25 if name == "one_cycle" else 0)
    assert len(rates) == 100
    assert all(math.isfinite(rate) and 0 <= rate <= 1 for rate in rates)


def test_a_training_that_is_stopped_and_restored_ends_like_one_that_was_not(tmp_path):
    recipe = Recipe(epochs=4, batch_size=25, augment=Augment(shift=1, flip=True))

    def begun() -> Training:
        torch.manual_seed(3)
        return Training(ResNet(8, 8, 1, 10), DATA, recipe, 3)

    whole = begun()
    whole.run(4)
    first = begun()
    first.run(1)
    torch.save(first.state(), tmp_path / "state.pt")
    torch.manual_seed(99)
    second = Training(ResNet(8, 8, 1, 10), DATA, recipe, 77)
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert second.run(4) == whole.history
    weights, others = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


class Greedy(nn.Module):
    """Runs out of memory for more than `limit` images at once."""

    def __init__(self, limit: int, norm: type[nn.Module]) -> None:
        super().__init__()
        self.limit = limit
        self.conv, self.norm, self.fc = nn.Conv2d(1, 8, 3, padding=1), norm(8), nn.Linear(8, 10)

    def forward(self, x_nchw):
        if len(x_nchw) > self.limit:
            raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")
        return self.fc(self.norm(self.conv(x_nchw)).relu().mean((2, 3)))


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(2, channels)


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_a_batch_that_is_too_large_goes_in_parts_with_the_same_result(mixup):
    recipe = Recipe(epochs=2, batch_size=30, lr=0.05, augment=Augment(shift=1, mixup=mixup), grad_clip=0.5, ema=0.9)

    def run(limit: int) -> Training:
        torch.manual_seed(0)
        training = Training(Greedy(limit, group_norm), DATA, recipe, 0)
        training.run(2)
        return training

    whole, split = run(1_000), run(8)
    assert split.how == "one by one: out of memory, each batch goes in 4 parts"
    for one, other in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert split.history[-1].metrics["val_loss"] == pytest.approx(whole.history[-1].metrics["val_loss"], rel=1e-5)


def test_batch_normalisation_forbids_parts_and_the_training_fails_with_its_reason():
    training = Training(Greedy(8, nn.BatchNorm2d), DATA, Recipe(epochs=1, batch_size=30), 0)
    with pytest.raises(TrainingFailed, match=r"out of memory with batch_size 30 on cpu: tried to allocate 2.00 GiB"):
        training.run(1)


def test_activations_in_the_hosts_memory_give_the_same_result_to_the_last_bit():
    recipe = Recipe(epochs=2, batch_size=25, augment=Augment(shift=1))

    def run(offload: bool) -> Training:
        torch.manual_seed(0)
        training = Training(ResNet(8, 8, 1, 10), DATA, recipe, 0)
        training._step._offload = offload
        training.run(2)
        return training

    kept, moved = run(offload=False), run(offload=True)
    assert kept.history == moved.history


def test_memory_that_runs_out_late_begins_the_training_again():
    """What was trained until then in the greedier way is dropped: the result is that of one way."""
    recipe = Recipe(epochs=3, batch_size=30, lr=0.05)

    def run(late: bool) -> Training:
        torch.manual_seed(0)
        training = Training(Greedy(1_000 if late else 20, group_norm), DATA, recipe, 0)

        def squeeze(epoch) -> None:
            training.model.limit = 20

        training.run(3, squeeze)
        return training

    one, other = run(late=False), run(late=True)
    assert one.history == other.history
    assert [epoch.epoch for epoch in other.history] == [1, 2, 3]


def test_two_shortages_of_memory_in_a_resumed_training_change_nothing():
    recipe = Recipe(epochs=4, batch_size=32, lr=0.05)

    def run(limit: int) -> Training:
        torch.manual_seed(0)
        first = Training(Greedy(1_000, group_norm), DATA, recipe, 0)
        first.run(2)
        second = Training(Greedy(limit, group_norm), DATA, recipe, 0)
        second.restore(first.state())
        second.run(4)
        return second

    plenty, little = run(1_000), run(9)
    assert little.how == "one by one: out of memory, each batch goes in 4 parts"
    for one, other in zip(plenty.model.parameters(), little.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_weight_whose_gradient_comes_later_is_trained_from_then_on():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.always, self.later, self.calls = nn.Linear(64, 10), nn.Linear(64, 10), 0

        def forward(self, x):
            self.calls += self.training
            logits = self.always(x.flatten(1))
            return logits + self.later(x.flatten(1)) if self.calls > 2 else logits

    torch.manual_seed(0)
    model = Late()
    before = model.later.weight.detach().clone()
    train(model, DATA, Recipe(epochs=1, batch_size=25, weight_decay=0), 0)
    assert not torch.equal(model.later.weight, before)


def test_averaged_weights_are_what_is_evaluated():
    torch.manual_seed(0)
    training = Training(ResNet(8, 8, 1, 10), DATA, Recipe(epochs=2, batch_size=25, ema=0.9), 0)
    training.run(2)
    average = training._step.average
    assert average is not None
    loss, _ = evaluate(
        average, training.device_data.validation, lambda images: average(training.device_data.normalise(images))
    )
    assert loss == training.history[-1].metrics["val_loss"]
    plain, _ = evaluate(
        training.model,
        training.device_data.validation,
        lambda images: training.model(training.device_data.normalise(images)),
    )
    assert plain != loss


def test_the_average_is_the_exponential_mean_of_the_weights():
    recipe = Recipe(epochs=1, batch_size=25, ema=0.75)
    shares = recipe.averaging(4)
    assert shares == [1 - 1 / 10, 1 - 2 / 11, 1 - 3 / 12, 1 - 4 / 13]
    torch.manual_seed(0)
    training = Training(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), DATA, recipe, 0)
    mean = training.model[1].weight.detach().clone()
    whole = training._step.__call__

    class Watched:
        def __getattr__(self, name):
            return getattr(whole.__self__, name)

        def __call__(self, *args):
            loss = whole(*args)
            mean.lerp_(training.model[1].weight.detach(), args[-1])
            return loss

    training._step = Watched()
    training.run(1)
    torch.testing.assert_close(whole.__self__.average[1].weight, mean, rtol=0, atol=0)


def test_gradients_are_clipped_to_their_norm():
    """With plain SGD of rate 1 for one step, the weights move by no more than the norm."""
    recipe = Recipe(epochs=1, batch_size=100, lr=1.0, momentum=0.0, weight_decay=0.0, grad_clip=0.01, schedule="cosine")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    train(model, DATA, recipe, 0)
    moved = torch.cat([p.detach().flatten() for p in model.parameters()]) - before
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


def test_bfloat16_learns_nearly_as_float32():
    (_, exact), (_, rounded) = trained(epochs=3), trained(epochs=3, precision="bfloat16")
    assert exact != rounded
    assert rounded[-1].metrics["train_loss"] == pytest.approx(exact[-1].metrics["train_loss"], rel=0.05)


def test_a_compiled_network_is_trained_to_the_same_result(monkeypatch):
    compiled = []
    real = torch.compile

    def eager(model):
        compiled.append(model)
        return real(model, backend="eager")

    monkeypatch.setattr(torch, "compile", eager)
    (_, plain), (model, history) = trained(), trained(compile=True)
    assert compiled == [model]
    assert history == plain


def test_deterministic_algorithms_are_asked_for_while_it_trains_and_no_longer():
    seen = []

    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, 10)

        def forward(self, x):
            seen.append(torch.are_deterministic_algorithms_enabled())
            return self.fc(x.flatten(1))

    train(Looks(), DATA, Recipe(epochs=1, deterministic=True), 0)
    assert set(seen) == {True}
    assert not torch.are_deterministic_algorithms_enabled()


def test_dropout_is_of_the_seed_and_the_epoch_and_leaves_the_global_stream_alone():
    def run(seed: int) -> list:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
        torch.manual_seed(5)
        history = train(model, DATA, Recipe(epochs=2), seed)
        assert torch.initial_seed() == 5
        return history

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_loader_that_streams_gives_the_same_training():
    from attnspace.data.loader import DeviceData

    def run(share: float) -> Training:
        torch.manual_seed(0)
        device_data = DeviceData(DATA, "cpu", share)
        if not share:
            device_data.train = Batches(DATA.train, torch.device("cpu"), resident=False)
            device_data.validation = Batches(DATA.validation, torch.device("cpu"), resident=False)
        training = Training(
            ResNet(8, 8, 1, 10), device_data, Recipe(epochs=2, batch_size=30, augment=Augment(shift=1)), 0
        )
        training.run(2)
        return training

    assert run(0.5).history == run(0.0).history
