"""The digits study from a new process: seconds, peak memory, and time outside the training loops.

python -m tests.benchmarks.digits
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attnspace import frame
from tests.benchmarks.machine import machine

STUDY = Path(__file__).parents[2] / "studies" / "digits.yaml"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        attnspace = [sys.executable, "-c", "from attnspace.cli import main; main()"]
        began = time.perf_counter()
        subprocess.run([*attnspace, "search", str(STUDY), "--run", str(run)], check=True)
        wall_s = time.perf_counter() - began
        memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        table = frame(run)
    result = {
        "machine": machine(),
        "n": 1,
        "wall_s": wall_s,
        "peak_memory_mb": memory_mb,
        "training_s": (training_s := float(table["train_s"].sum())),
        "outside_training": 1 - training_s / wall_s,
        "designs": int(table.loc[table["role"] == "trial", "design"].nunique()),
        "trainings_to_the_end": int(((table["role"] == "trial") & (table["outcome"] == "done")).sum()),
        "baselines": int((table["role"] == "baseline").sum()),
    }
    print(json.dumps(result, indent=1))
    (Path(__file__).parent / "results" / "digits.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
