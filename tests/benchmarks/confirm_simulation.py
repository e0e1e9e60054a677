"""How often a confirmation says what is true: simulated scores instead of trainings, judged as real ones are.

    python -m tests.benchmarks.confirm_simulation [--repetitions 200]

Scores are drawn as a value of the seed, which all designs share, plus noise of their own. `identical` designs differ by
noise alone; a `planted` one is better than the baselines by two standard errors of the paired difference.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from attnspace.analysis.significance import ALPHA, Race
from attnspace.analysis.verdict import judge
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
SD = 0.004


def scores(rng: np.random.Generator, names: list[str], n: int, planted: float = 0.0) -> pd.DataFrame:
    """Test accuracies, the first design `planted` above the others."""
    values = 0.95 + rng.normal(0, SD, (n, 1)) + rng.normal(0, SD, (n, len(names)))
    values[:, 0] += planted
    return pd.DataFrame(values, columns=names)


def rates(repetitions: int, tops: int, baselines: int, n: int, planted_errors: float) -> dict:
    """Shares of verdicts; the power that verdicts state of the planted lead, on average, and that of the test."""
    rng = np.random.default_rng(1_000 * tops + 100 * baselines + n)
    top_names, baseline_names = [f"top{i}" for i in range(tops)], [f"base{i}" for i in range(baselines)]
    sd = SD * 2**0.5
    planted = planted_errors * sd / n**0.5
    verdicts = [
        judge(scores(rng, [*top_names, *baseline_names], n, planted), top_names, baseline_names)
        for _ in range(repetitions)
    ]
    outcomes = [verdict.outcome for verdict in verdicts]
    found = {outcome: outcomes.count(outcome) / repetitions for outcome in ("better", "same", "worse")}
    result = {"designs": tops, "baselines": baselines, "seeds": n, **found}
    if planted:
        true = Race(SD, (0.0,) * baselines, ALPHA / tops).power(planted, n)
        low, high = stats.binom.interval(0.95, repetitions, true)
        result |= {
            "stated_power": float(np.mean([verdict.race.power(planted, n) for verdict in verdicts])),
            "true_power": true,
            "expected_range": [low / repetitions, high / repetitions],
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "confirm_simulation.json")
    asked = parser.parse_args()
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "repetitions": asked.repetitions,
        "alpha": ALPHA,
        "identical": [
            rates(asked.repetitions, *case, 0.0)
            for case in ((1, 1, 10), (1, 5, 10), (1, 10, 10), (3, 5, 10), (3, 5, 5))
        ],
        "planted_two_standard_errors": [
            rates(asked.repetitions, *case, 2.0) for case in ((1, 1, 10), (1, 1, 20), (1, 5, 10), (3, 5, 10))
        ],
        "planted_four_standard_errors": [
            rates(asked.repetitions, *case, 4.0) for case in ((1, 1, 10), (1, 5, 10), (3, 5, 10))
        ],
    }
    asked.out.write_text(json.dumps(result, indent=1) + "\n")
    for part in ("identical", "planted_two_standard_errors", "planted_four_standard_errors"):
        print(part)
        for row in result[part]:
            print("  ", json.dumps(row))


if __name__ == "__main__":
    main()
