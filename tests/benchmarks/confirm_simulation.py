"""How often a confirmation says what is true: simulated scores instead of trainings, judged look by look as real ones.

    python -m tests.benchmarks.confirm_simulation [--repetitions 1000] [--tune]

Scores are a value of the seed, which all designs share, plus noise of their own: normal, or drawn from what is left of
the scores of the recorded table `data/digits.parquet` when the means of designs and of seeds are taken away. `--tune`
prints what rules for giving up do, on normal scores drawn with other seeds; it writes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from attnspace.analysis import decision
from attnspace.analysis.decision import Decision, Sides, decide
from attnspace.analysis.intervals import Interval, over_seeds, over_seeds_and_images
from attnspace.analysis.pairs import Pairs
from attnspace.analysis.significance import ALPHA
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
LOOKS, FIXED = (4, 6, 8, 10), (10,)
SD = 0.004
REPORTED, TUNED = 1, 2
"""Beginnings of the seeds of what is reported, and of what was tuned on."""

Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Normal noise of standard deviation 1."""
    return rng.standard_normal(shape)


@cache
def residuals() -> np.ndarray:
    """What is left of recorded accuracies without the means of designs and seeds, with standard deviation 1."""
    table = pd.read_parquet(HERE / "data" / "digits.parquet")
    whole = table[table["epochs"] == table["epochs"].max()]
    scores = whole.pivot_table(index="design", columns="seed", values="val_accuracy").dropna().to_numpy()
    left = scores - scores.mean(1, keepdims=True) - scores.mean(0) + scores.mean()
    return (left / left.std()).ravel()


def recorded(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Noise of standard deviation 1 with the distribution of the recorded table."""
    return rng.choice(residuals(), shape)


def scores(rng: np.random.Generator, noise: Noise, leads: Sequence[float], n: int) -> pd.DataFrame:
    """Test accuracies of designs that lead by so many standard deviations of their own noise."""
    values = 0.9 + SD * (rng.normal(0, 1.5, (n, 1)) + noise(rng, (n, len(leads))) + np.asarray(leads))
    return pd.DataFrame(values)


def judged(
    table: pd.DataFrame, sides: Sides, looks: tuple[int, ...], margin: float | None = None
) -> tuple[Decision, int]:
    """The decision at the look at which the confirmation ends, and the seeds that it took."""
    taken, found = 0, None
    while taken < len(looks) and not (found and found.is_settled):
        taken += 1
        found = decide(Pairs(table, looks, taken), sides, margin, ended=taken == len(looks))
    assert found is not None
    return found, looks[taken - 1]


def case(
    repetitions: int,
    noise: Noise,
    designs: Sequence[float],
    baselines: Sequence[float],
    *,
    looks: tuple[int, ...] = LOOKS,
    margin: float | None = None,
    stream: int = REPORTED,
) -> dict[str, object]:
    """Shares of outcomes and the mean number of seeds, where designs and baselines have these true leads."""
    rng = np.random.default_rng([stream, len(designs), len(baselines), round(1_000 + 100 * max(designs))])
    names = [*(f"d{i}" for i in range(len(designs))), *(f"b{i}" for i in range(len(baselines)))]
    sizes = {name: float(name.startswith("d")) for name in names}
    sides = Sides(names[: len(designs)], names[len(designs) :], "b0", sizes)
    outcomes: Counter[str] = Counter()
    needed = []
    for _ in range(repetitions):
        table = scores(rng, noise, [*designs, *baselines], looks[-1])
        table.columns = pd.Index(names)
        found, seeds = judged(table, sides, looks, margin)
        outcomes[f"{found.outcome}: {found.reason}"] += 1
        needed.append(seeds)
    used = sum(count for outcome, count in outcomes.items() if outcome.startswith("use"))
    low, high = stats.binomtest(used, repetitions).proportion_ci()
    return {
        "noise": noise.__name__,
        "leads_of_designs": list(designs),
        "leads_of_baselines": list(baselines),
        "looks": list(looks),
        **({} if margin is None else {"margin_in_sd": margin / SD}),
        "use": used / repetitions,
        "use_95": [low, high],
        "outcomes": {outcome: count / repetitions for outcome, count in sorted(outcomes.items())},
        "mean_seeds": float(np.mean(needed)),
    }


def lead_of(power: float, n: int) -> float:
    """The lead, in standard deviations of one design's noise, that one t-test of n seeds finds with this power."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, alpha=ALPHA, power=power)) * 2**0.5


def edges(repetitions: int, noise: Noise) -> list[dict[str, object]]:
    """How often equivalence is claimed where the true difference is as large as the margin, and where there is none."""
    margin = 3.0
    every = [([lead], [0.0]) for lead in (margin, -margin, 0.0)] + [([margin] * 3, [0.0]), ([-margin] * 3, [0.0] * 5)]
    return [case(repetitions, noise, designs, baselines, margin=margin * SD) for designs, baselines in every]


def answers(rng: np.random.Generator, seeds: int, images: int, lead: float) -> np.ndarray:
    """Whether two designs were right, their difference: images and seeds that suit one of them more than the other."""
    hard, suits = rng.normal(0, 2, images), rng.normal(0, 0.7, images)
    of_seed, of_both = rng.normal(0, 0.15, (seeds, 2)), rng.normal(0, 1, (2, seeds, images))
    logits = 2.2 + hard + of_both + of_seed.T[:, :, None]
    logits[0] += lead + suits
    right = rng.uniform(size=logits.shape) < stats.logistic.cdf(logits)
    return right[0].astype(float) - right[1]


def pigeonhole(values: np.ndarray, rng: np.random.Generator, draws: int = 300) -> Interval:
    """Rows and columns drawn anew, each by itself (Owen, The Pigeonhole Bootstrap, Ann. Appl. Stat. 1, 2007)."""
    seeds, images = values.shape
    rows = rng.multinomial(seeds, [1 / seeds] * seeds, draws)
    columns = rng.multinomial(images, [1 / images] * images, draws)
    means = np.einsum("bs,si,bi->b", rows, values, columns, optimize=True) / values.size
    return Interval(*map(float, np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2])), "pigeonhole")


def coverage(repetitions: int, seeds: int, images: int = 400) -> dict[str, object]:
    """How often intervals hold the true difference over all seeds and images."""
    rng = np.random.default_rng([REPORTED, seeds])
    truth = float(np.mean([answers(rng, 20, 20_000, 0.3).mean() for _ in range(20)]))
    inside: Counter[str] = Counter()
    widths: Counter[str] = Counter()
    for _ in range(repetitions):
        values = answers(rng, seeds, images, 0.3)
        found = {
            "seeds and images, by mean squares": over_seeds_and_images(values),
            "seeds and images, pigeonhole": pigeonhole(values, rng),
            "seeds alone": over_seeds(values.mean(1)),
        }
        for name, interval in found.items():
            inside[name] += interval.low <= truth <= interval.high
            widths[name] += interval.high - interval.low
    return {
        "seeds": seeds,
        "images": images,
        "true_difference": truth,
        "coverage": {name: count / repetitions for name, count in inside.items()},
        "mean_width": {name: width / repetitions for name, width in widths.items()},
    }


def coverage_at_the_end(repetitions: int, lead: float) -> dict[str, object]:
    """How often the interval over seeds holds the true lead at the look at which a confirmation ended."""
    rng = np.random.default_rng([REPORTED, 77, round(100 * lead)])
    sides = Sides(["d0"], ["b0"], "b0", {"d0": 1.0, "b0": 0.0})
    inside = 0
    for _ in range(repetitions):
        table = scores(rng, normal, [lead, 0.0], LOOKS[-1])
        table.columns = pd.Index(["d0", "b0"])
        _, seeds = judged(table, sides, LOOKS)
        interval = over_seeds((table["d0"] - table["b0"]).to_numpy()[:seeds])
        inside += interval.low <= lead * SD <= interval.high
    return {"lead": lead, "coverage": inside / repetitions}


def tune(repetitions: int) -> None:
    """Print what rules for giving up do to power and seeds."""
    lead = lead_of(0.8, 10)
    far = 1.5 * lead
    cases = [([lead], [0.0]), ([far, 0.0, 0.0], [0.0] * 5), ([0.0], [0.0]), ([0.0] * 3, [0.0]), ([0.0] * 3, [0.0] * 5)]
    for hopeless in (0.01, 0.02, 0.05, 0.1, 0.15):
        decision.HOPELESS = hopeless
        for designs, baselines in cases:
            found = case(repetitions, normal, designs, baselines, stream=TUNED)
            print(
                hopeless,
                len(designs),
                len(baselines),
                round(max(designs), 2),
                found["use"],
                found["mean_seeds"],
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=1_000)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "confirm_simulation.json")
    asked = parser.parse_args()
    many = asked.repetitions
    if asked.tune:
        tune(many)
        return
    lead, far = lead_of(0.8, 10), 1.5 * lead_of(0.8, 10)
    equal = [([0.0] * 3, [0.0] * 5), ([0.0] * 3, [0.0]), ([0.0], [0.0] * 5), ([0.0], [0.0])]
    apart = [([0.0, -1.0, -1.0], [-9.0, -9.0, 0.0, -1.0, -2.0])]
    planted = [([lead], [0.0]), ([far, 0.0, 0.0], [0.0] * 5), ([far] * 3, [-1.0, 0.0, 0.0, -1.0, -2.0])]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "repetitions": many,
        "alpha": ALPHA,
        "hopeless": decision.HOPELESS,
        "slight": decision.SLIGHT,
        "no_design_is_better": [
            case(many, noise, *sides) for noise in (normal, recorded) for sides in (*equal, *apart)
        ],
        "planted": [
            case(many, noise, *sides, looks=looks)
            for noise in (normal, recorded)
            for sides in planted
            for looks in (LOOKS, FIXED)
        ],
        "equivalence_margin_3_sd": [row for noise in (normal, recorded) for row in edges(many, noise)],
        "coverage": [coverage(many, seeds) for seeds in (4, 10)],
        "coverage_over_seeds_at_the_end": [coverage_at_the_end(many, lead) for lead in (0.0, lead, far)],
    }
    asked.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
