import random

import numpy as np
import pytest

from attnspace.objective.forecast import Forecast
from attnspace.samplers.dominance import crowding
from attnspace.search.halving import Halving
from attnspace.study.config import Rungs
from attnspace.training.recipe import Recipe


@pytest.mark.parametrize(
    ("rungs", "epochs", "budgets"),
    [
        ({}, 9, (3, 9)),
        ({}, 60, (7, 21, 60)),
        ({}, 10, (3, 10)),
        ({}, 4, (4,)),
        ({"first": 5}, 20, (5, 20)),
        ({}, 2, (2,)),
        ({}, 1, (1,)),
        ({"first": 2}, 18, (2, 6, 18)),
        ({"first": 2, "factor": 2}, 20, (2, 4, 8, 20)),
        ({"first": 30}, 20, (20,)),
    ],
)
def test_rungs_go_down_from_all_epochs_by_the_factor(rungs, epochs, budgets):
    assert Rungs(**rungs, seeds=1).budgets(epochs) == tuple((budget, 1) for budget in budgets)


@pytest.mark.parametrize(
    ("first", "epochs", "budgets"),
    [(None, 20, (7, 20)), (None, 30, (10, 30)), (None, 12, (4, 12)), (None, 9, (3, 9)), (4, 20, (4, 20))],
)
def test_no_rung_lies_where_the_learning_rate_still_rises_unless_it_is_asked_for(first, epochs, budgets):
    recipe = Recipe(epochs=epochs, schedule="one_cycle")
    assert recipe.rise == epochs // 4
    found = Rungs(first=first, seeds=1).budgets(epochs, rise=recipe.rise)
    assert found == tuple((budget, 1) for budget in budgets)


@pytest.mark.parametrize(
    ("seeds", "there_are", "counts"),
    [(1, None, [1]), (2, None, [1, 2]), (4, None, [1, 2, 4]), (5, None, [1, 2, 4, 5]), (4, 3, [1, 2, 3]), (4, 1, [1])],
)
def test_beyond_the_last_epoch_rungs_double_the_seeds(seeds, there_are, counts):
    rungs = Rungs(first=3, seeds=seeds).budgets(9, seeds=there_are)
    assert rungs == ((3, 1), *((9, count) for count in counts))
    assert Rungs(seeds=seeds).budgets(9, pauses=False, seeds=there_are) == tuple((9, count) for count in counts)


def test_the_best_third_goes_on_and_nobody_twice():
    halving: Halving[str] = Halving(3, 3, 1)
    for name, value in zip("abcdef", (0.1, 0.5, 0.3, 0.2, 0.4, 0.0), strict=True):
        halving.report(name, 0, [value])
    assert halving.promotion() == ("b", 1)
    halving.report("b", 1, [0.6])
    assert halving.promotion() == ("e", 1)
    halving.report("e", 1, [0.7])
    assert halving.promotion() is None


def test_the_highest_rung_comes_first():
    halving: Halving[int] = Halving(3, 2, 1)
    for key in range(4):
        halving.report(key, 0, [float(key)])
    halving.report(3, 1, [1.0])
    halving.report(2, 1, [2.0])
    assert halving.promotion() == (2, 2)


def test_one_that_fails_counts_and_does_not_go_on():
    halving: Halving[str] = Halving(2, 2, 1)
    halving.report("a", 0, None)
    assert halving.promotion() is None
    halving.report("b", 0, [0.0])
    assert halving.promotion() == ("b", 1)
    halving.report("b", 1, None)
    assert halving.promotion() is None


def test_a_tie_goes_to_the_earlier():
    halving: Halving[str] = Halving(2, 2, 1)
    for name in "abcd":
        halving.report(name, 0, [1.0])
    assert halving.promotion() == ("a", 1)


def test_with_several_objectives_those_that_fewest_dominate_go_on():
    halving: Halving[str] = Halving(2, 3, 2)
    points = {
        "best": (1.0, 1.0),
        "dominated": (0.5, 0.5),
        "light": (0.6, 2.0),
        "cheap": (0.0, 3.0),
        "twice": (0.4, 0.4),
    }
    points |= {"bad": (0.1, 0.1)}
    for name, values in points.items():
        halving.report(name, 0, values)
    went = []
    while (found := halving.promotion()) is not None:
        went.append(found[0])
        halving.report(found[0], 1, points[found[0]])
    assert sorted(went) == ["best", "light"]  # what is cheap and no good is no candidate, though nothing dominates it


def test_which_value_designs_are_for_is_told():
    halving: Halving[str] = Halving(2, 2, 2, primary=1)
    for name, values in {"light": (3.0, 0.1), "fair": (2.0, 0.6), "good": (1.0, 0.9), "bad": (0.0, 0.0)}.items():
        halving.report(name, 0, values)
    assert sorted(halving.waiting(0, 0.5)) == ["fair", "good"]


def test_ranks_kept_step_by_step_are_those_of_all_at_once():
    rng = random.Random(0)
    halving: Halving[int] = Halving(2, 2, 3)
    points = [[rng.random() for _ in range(3)] for _ in range(200)]
    for key, values in enumerate(points):
        halving.report(key, 0, values)
    array = np.array(points)
    middle = np.median(array[:, 0])
    dominated = [(p[0] < middle, int(((array >= p).all(1) & (array > p).any(1)).sum())) for p in array]
    order = halving.waiting(0, 1.0)
    assert [dominated[key] for key in order] == sorted(dominated)


def test_a_design_that_was_reported_twice_goes_on_once():
    halving: Halving[str] = Halving(2, 2, 1)
    for name in "aabc":
        halving.report(name, 0, [1.0])
    halving.begin("a", 0)
    assert halving.promotion() is None


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_a_promotion_is_the_first_of_a_ranking_of_all(objectives):
    """Many designs are equal; some are on their way, some have failed."""
    rng = np.random.default_rng(objectives)
    halving: Halving[int] = Halving(2, 3, objectives)
    points: list[np.ndarray] = []
    gone: set[int] = set()
    promoted = 0
    for step in range(150):
        if step % 10 == 9:
            halving.report(-step, 0, None)
        points.append(rng.integers(0, 6, objectives).astype(float))
        halving.report(len(points) - 1, 0, points[-1])
        array, numbers = np.array(points), np.arange(len(points))
        dominated = ((array[None] >= array[:, None]).all(2) & (array[None] > array[:, None]).any(2)).sum(1)
        lonely = crowding(array) if objectives > 1 else np.zeros(len(array))
        far = array[:, 0] < np.median(array[:, 0]) if objectives > 1 else np.zeros(len(array))
        best = sorted(numbers, key=lambda i, f=far, d=dominated, c=lonely: (f[i], d[i], -c[i], i))
        waiting = [i for i in best[: (len(points) + (step + 1) // 10) // 3] if i not in gone]
        found = halving.promotion()
        assert found == ((waiting[0], 1) if waiting else None)
        if found is not None:
            promoted += 1
            gone.add(found[0])
            halving.begin(found[0], 0)
    assert promoted > 40


def learnt(values: np.ndarray, sign: float = 1.0, promoted: float = 1 / 3) -> Forecast:
    """A forecast over rungs at 3, 9, ... epochs, of designs of which the best share of each rung went on.

    Shape:
        values: (designs, rungs)
    """
    epochs = [3 ** (rung + 1) for rung in range(values.shape[1])]
    forecast = Forecast(epochs, sign)
    left = np.arange(len(values))
    for rung in range(values.shape[1]):
        for number in left:
            forecast.learn(str(number), dict(zip(epochs[: rung + 1], values[number], strict=False)))
        left = left[np.argsort(-sign * values[left, rung])][: round(promoted * len(left))]
    return forecast


def test_a_forecast_follows_the_line_that_designs_went():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.2, 0.6, 200)
    forecast = learnt(np.stack([x, 0.5 + 0.8 * x + rng.normal(0, 0.01, 200)], axis=1), promoted=0.5)
    assert forecast(3, 0.3) == pytest.approx(0.5 + 0.8 * 0.3, abs=0.03)
    assert forecast(3, 0.6) == pytest.approx(0.5 + 0.8 * 0.6, abs=0.02)
    assert forecast(9, 0.6) == 0.6
    assert Forecast((3, 9))(3, 0.4) == 0.4


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("promoted", [1.0, 1 / 3])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_what_a_rung_explains_is_told_also_where_only_the_better_go_on(correlation, scale, promoted, sign):
    x, noise = np.random.default_rng(0).normal(size=(2, 3_000))
    values = np.stack([x, scale * (correlation * x + np.sqrt(1 - correlation**2) * noise)], axis=1)
    forecast = learnt(sign * values, sign, promoted)
    assert forecast.explained(3) == pytest.approx(correlation**2, abs=0.06)
    assert forecast.tells(3) == (correlation > 0.3)


@pytest.mark.parametrize("between", [(0.7, 0.8, 0.56), (0.6, 0.6, 0.6), (0.5, 0.8, 0.6)])
def test_over_several_rungs_neither_line_nor_share_suffers_from_the_choices_on_the_way(between):
    """Designs at the end were chosen at 3 and at 9 epochs, so that a line through them alone would be too flat."""
    first, second, both = between  # correlations of the rungs 1 and 2, 2 and 3, 1 and 3
    covariance = np.array([[1, first, both], [first, 1, second], [both, second, 1]])
    forecast = learnt(np.random.default_rng(1).multivariate_normal(np.zeros(3), covariance, 20_000))
    assert forecast.line(3) == pytest.approx((0.0, both), abs=0.15)
    assert forecast.explained(3) == pytest.approx(both**2, abs=0.08)
    assert forecast.explained(9) == pytest.approx(second**2, abs=0.08)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_training_that_went_wrong_decides_nothing_of_a_rung(sign):
    x, luck = np.random.default_rng(2).normal(0, 0.05, (2, 15))
    told = np.stack([0.5 + x, 0.7 + x + 0.4 * luck], axis=1)
    untold = np.stack([0.5 + x, 0.7 + luck], axis=1)
    for values, wrong in (
        (told, (0.5, 0.7 - sign * 5)),
        (untold, (0.5 - sign * 5, 0.7 - sign * 5)),
        (told, (0.5, np.nan)),
    ):
        before, after = learnt(values, promoted=1.0), learnt(np.vstack([values, wrong]), sign, promoted=1.0)
        assert after.line(3) == pytest.approx(before.line(3), rel=0.02)
        assert after.explained(3) == pytest.approx(before.explained(3), rel=0.02)


def test_while_few_designs_have_reached_the_end_a_rung_counts_as_telling():
    forecast = Forecast((3, 9))
    for number in range(12):
        assert forecast.tells(3) == (number < 10)
        forecast.learn(str(number), {3: 0.5 + 0.01 * (number % 3), 9: 0.7 - 0.01 * (number % 3)})


@pytest.mark.parametrize("designs", [10, 12, 40])
def test_a_rung_where_all_designs_are_equal_tells_nothing(designs):
    """As at the level of chance, up to rounding."""
    end = np.random.default_rng(4).normal(0.7, 0.05, designs)
    forecast = learnt(np.stack([np.full(designs, 0.1), end], axis=1), promoted=1.0)
    assert not forecast.tells(3)
    assert forecast.line(3)[1] == pytest.approx(0.5)
    assert learnt(np.stack([end, np.full(designs, 0.1)], axis=1), promoted=1.0).tells(3)


def test_a_rung_that_tells_is_seldom_taken_for_one_that_does_not():
    rng, passed = np.random.default_rng(3), []
    for _ in range(400):
        x, noise = rng.normal(size=(2, 45))
        passed.append(not learnt(np.stack([x, 0.7 * x + 0.71 * noise], axis=1)).tells(3))
    assert np.mean(passed) < 0.15


def test_a_forecast_from_one_design_keeps_half_of_a_lead():
    forecast = Forecast((3, 9))
    for number, x in enumerate((0.1, 0.2, 0.3)):
        forecast.learn(str(number), {3: x})
    forecast.learn("1", {3: 0.2, 9: 0.8})
    assert forecast(3, 0.3) == pytest.approx(0.85)
