import numpy as np
import torch
from sklearn.datasets import load_digits as sklearn_digits

from attnspace.data import DigitsConfig


def keys(split) -> list[bytes]:
    return [image.numpy().tobytes() for image in split.images]


def test_splits_are_disjoint_and_cover_the_set():
    data, test = DigitsConfig().load(), DigitsConfig().load().sealed_test()
    assert (len(data.train), len(data.validation), len(test)) == (797, 500, 500)
    whole = np.ascontiguousarray(sklearn_digits().images, dtype=np.uint8)
    assert sorted(keys(data.train) + keys(data.validation) + keys(test)) == sorted(image.tobytes() for image in whole)


def test_splits_are_always_the_same_and_stratified():
    one, other = DigitsConfig().load(), DigitsConfig().load()
    assert torch.equal(one.validation.images, other.validation.images)
    counts = torch.bincount(one.validation.labels)
    assert counts.max() - counts.min() <= 2


def test_fewer_training_images_leave_validation_and_test_alone():
    few, all_ = DigitsConfig(train_images=100).load(), DigitsConfig().load()
    assert len(few.train) == 100
    assert set(keys(few.train)) <= set(keys(all_.train))
    assert torch.equal(few.validation.images, all_.validation.images)


def test_normalisation_is_that_of_the_training_images():
    data = DigitsConfig(train_images=200).load()
    pixels = data.train.images.float()
    torch.testing.assert_close(data.mean, pixels.mean((0, 2, 3)))
    torch.testing.assert_close(data.std, pixels.std((0, 2, 3)))
    assert data.train.images.dtype == torch.uint8
    assert data.input_shape == (1, 8, 8)
    assert data.classes == tuple("0123456789")


def test_on_a_larger_canvas_each_digit_stands_somewhere_whole():
    plain, placed = DigitsConfig().load(), DigitsConfig(canvas=11).load()
    assert placed.input_shape == (1, 11, 11)
    corners = set()
    for before, after in zip(plain.train.images, placed.train.images, strict=True):
        windows = {(y, x): after[:, y : y + 8, x : x + 8] for y in range(4) for x in range(4)}
        found = [corner for corner, window in windows.items() if torch.equal(window, before)]
        assert found
        assert after.sum() == before.sum()
        corners.add(found[0])
    assert len(corners) == 16
    assert torch.equal(DigitsConfig(canvas=11).load().train.images, placed.train.images)


def test_splits_drawn_anew_keep_the_test_images_and_are_the_same_for_the_same_number():
    data = DigitsConfig(train_images=100).load()
    assert data.is_drawn
    one, again, other = data.redrawn(7), data.redrawn(7), data.redrawn(8)
    assert keys(one.sealed_test()) == keys(data.sealed_test())
    assert keys(one.validation) == keys(again.validation) != keys(other.validation)
    assert len({tuple(keys(drawn.train)) for drawn in (data, one, other)}) == 3
    assert not set(keys(one.validation)) & set(keys(one.sealed_test()))
    assert keys(one.redrawn(8).train) == keys(other.train)
