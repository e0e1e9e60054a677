import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from attnspace.backbones import ResNet
from attnspace.data import DigitsConfig, Split, load
from attnspace.errors import TrainingDiverged
from attnspace.train import Augment, Recipe, Training, _schedule, augment, evaluate, seeded, train

DATA = load(DigitsConfig(train_images=100))


def trained(seed: int = 0, **recipe):
    torch.manual_seed(seed)
    model = ResNet(8, 8, 1, 10)
    history = train(model, DATA, Recipe(**{"epochs": 2, "batch_size": 25, "augment": Augment(shift=1), **recipe}), seed)
    return model, history


def test_same_seed_same_result():
    (one, history), (other, again) = trained(), trained()
    assert history == again
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


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
    assert history[-1].val_accuracy > 0.7
    assert history[-1].train_loss < history[0].train_loss


def test_the_result_is_the_last_epochs():
    model, history = trained()
    mean, std = DATA.mean[:, None, None], DATA.std[:, None, None]
    loss, accuracy = evaluate(model, DATA.validation, lambda images: (images.float() - mean) / std)
    assert accuracy == history[-1].val_accuracy
    assert loss == pytest.approx(history[-1].val_loss, rel=1e-5)


def test_a_loss_that_is_no_number_ends_the_training():
    model = ResNet(8, 8, 1, 10)
    nn.init.constant_(model.fc.weight, float("nan"))
    with pytest.raises(TrainingDiverged, match="the training loss became nan in epoch 1 of 2"):
        train(model, DATA, Recipe(epochs=2), 0)


def test_one_step_is_sgd_with_nesterov_momentum():
    """Two steps on one batch, against the update written out. Sutskever et al., 2013, in torch's form."""
    data = replace(DATA, train=Split(DATA.train.images[:8], DATA.train.labels[:8]))
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
    rates = [_schedule(name, 100)(step) for step in range(101)]
    assert max(rates) == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)
    assert rates.index(max(rates)) == (25 if name == "one_cycle" else 0)
    assert all(math.isfinite(rate) and 0 <= rate <= 1 for rate in rates)


def test_a_shift_moves_each_image_by_itself_and_fills_with_zeros():
    images = torch.randint(1, 17, (40, 2, 6, 5), dtype=torch.uint8)
    shifted = augment(images, Augment(shift=2), seeded(0, 0))
    moves = set()
    for before, after in zip(images, shifted, strict=True):
        padded = nn.functional.pad(before, [2] * 4)
        windows = {(t, left): padded[:, t : t + 6, left : left + 5] for t in range(5) for left in range(5)}
        (move,) = [key for key, window in windows.items() if torch.equal(window, after)]
        moves.add(move)
    assert len(moves) > 10


def test_flip_mirrors_about_half_of_the_images():
    images = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 3, 4).repeat(200, 1, 1, 1)
    flipped = augment(images, Augment(flip=True), seeded(0, 0))
    mirrored = [torch.equal(image, images[0].flip(2)) for image in flipped]
    assert all(m or torch.equal(image, images[0]) for m, image in zip(mirrored, flipped, strict=True))
    assert 60 < sum(mirrored) < 140


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
