"""Seconds of the commands that people wait for, as whole processes.

python -m tests.benchmarks.commands
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.machine import machine
from tests.made_run import made_run

RUNS = 7


def seconds(*arguments: object) -> float:
    command = [sys.executable, "-c", "from attnspace.cli import main; main()", *map(str, arguments)]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = made_run(Path(folder) / "run", trials=1000, epochs=30)
        spec = Path(__file__).parents[2] / "attnspace" / "published" / "cbam.json"
        commands = {"--help": ["--help"], "check SPEC": ["check", spec], "report, 1,000 trials": ["report", run]}
        rows = []
        for name, arguments in commands.items():
            seconds(*arguments)
            taken = [seconds(*arguments) for _ in range(RUNS)]
            rows.append({"command": name, "n": RUNS, "median_s": statistics.median(taken), "max_s": max(taken)})
            print(f"{name:<24} median {rows[-1]['median_s']:.2f} s, max {rows[-1]['max_s']:.2f} s, n={RUNS}")
    out = Path(__file__).parent / "results" / "commands.json"
    out.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
