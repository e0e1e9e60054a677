import pytest
import torch
from torch import nn

from attnspace.data.augment import Augment, augment, draws, mixed


def stream(seed: int = 0) -> torch.Generator:
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


def one_step(images, how: Augment):
    drawn = draws(how, 1, len(images), tuple(images.shape[2:]), stream())
    return augment(images, how, {name: values[0] for name, values in drawn.items()})


def test_a_shift_moves_each_image_by_itself_and_fills_with_zeros():
    images = torch.randint(1, 17, (40, 2, 6, 5), dtype=torch.uint8)
    moves = set()
    for before, after in zip(images, one_step(images, Augment(shift=2)), strict=True):
        padded = nn.functional.pad(before, [2] * 4)
        windows = {(t, left): padded[:, t : t + 6, left : left + 5] for t in range(5) for left in range(5)}
        (move,) = [key for key, window in windows.items() if torch.equal(window, after)]
        moves.add(move)
    assert len(moves) > 10


def test_flip_mirrors_about_half_of_the_images():
    images = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 3, 4).repeat(200, 1, 1, 1)
    flipped = one_step(images, Augment(flip=True))
    mirrored = [torch.equal(image, images[0].flip(2)) for image in flipped]
    assert all(m or torch.equal(image, images[0]) for m, image in zip(mirrored, flipped, strict=True))
    assert 60 < sum(mirrored) < 140


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_cutout_blacks_out_a_square_that_the_border_may_cut(side):
    images = torch.full((300, 2, 7, 9), 5, dtype=torch.uint8)
    cut = one_step(images, Augment(cutout=side)) == 0
    assert torch.equal(cut[:, 0], cut[:, 1])
    rows, columns = cut[:, 0].any(2).sum(1), cut[:, 0].any(1).sum(1)
    assert torch.equal(cut[:, 0].sum((1, 2)), rows * columns)
    assert int(rows.max()) == int(columns.max()) == side
    assert int(rows.min()) >= (side + 1) // 2
    assert cut[:, 0].any(0).all(), "somewhere on every pixel"


def test_mixup_blends_an_image_with_its_counterpart():
    images = torch.rand(6, 3, 2, 2)
    torch.testing.assert_close(mixed(images, torch.tensor(0.75)), 0.75 * images + 0.25 * images.flip(0))


def test_shares_of_mixup_follow_the_beta_distribution():
    share = draws(Augment(mixup=0.4), 4_000, 2, (1, 1), stream())["mixup"]
    assert share.shape == (4_000,)
    assert float(share.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(share.var()) == pytest.approx(1 / (4 * 1.8), abs=0.01)  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_an_epochs_numbers_are_those_of_its_steps_one_after_the_other():
    how, generator = Augment(shift=2, flip=True, cutout=2), stream()
    together = draws(how, 3, 5, (6, 6), stream())
    for step in range(3):
        alone = draws(how, 1, 5, (6, 6), generator)
        assert alone.keys() == together.keys()
        assert all(torch.equal(alone[name][0], together[name][step]) for name in alone)


def test_nothing_is_drawn_where_nothing_changes():
    generator = stream()
    before = generator.get_state()
    assert draws(Augment(), 10, 5, (6, 6), generator) == {}
    assert torch.equal(generator.get_state(), before)
    images = torch.randint(0, 255, (4, 3, 5, 5), dtype=torch.uint8)
    assert augment(images, Augment(), {}) is images
