"""Seconds and memory of reading a set of images: the first time, from the cache, and into memory.

    python -m tests.benchmarks.data_loading --data FOLDER

FOLDER holds train*.parquet and test*.parquet with columns `img` and `label`. Each step runs in a process of its own,
with a cache that begins empty; memory is the peak of the process above what its libraries take.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import PIL
import pyarrow

from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
REPEATS = 3

STEP = """
import json, resource, sys, time
import sklearn.model_selection, torch
from attnspace.data import ParquetConfig
step, folder = sys.argv[1:]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, began = peak(), time.perf_counter()
data = ParquetConfig(kind="parquet", path=folder).load()
if step == "decode":
    test = data.sealed_test()
if step == "read":
    began = time.perf_counter()
    images = data.train.images.read()
    validation = data.validation.images.read()
seconds = time.perf_counter() - began
images = len(data.train) + len(data.validation) + (len(test) if step == "decode" else 0)
shape = data.input_shape
bytes_ = images * shape[0] * shape[1] * shape[2]
print(json.dumps({"seconds": seconds, "images": images, "bytes": bytes_, "peak_bytes": peak() - before}))
"""


def run(step: str, folder: Path, cache: str) -> dict:
    """One step in a process of its own."""
    environment = {**os.environ, "ATTNSPACE_CACHE": cache}
    command = [sys.executable, "-c", STEP, step, str(folder)]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def measured(folder: Path) -> dict:
    """The medians of each step."""
    runs: dict[str, list[dict]] = {"decode": [], "cached": [], "read": []}
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as cache:
            for step, found in runs.items():
                found.append(run(step, folder, cache))
    return {
        step: {
            "images": found[0]["images"],
            "seconds": round(statistics.median(one["seconds"] for one in found), 3),
            "slowest_s": round(max(one["seconds"] for one in found), 3),
            "peak_mb": round(max(one["peak_bytes"] for one in found) / 1e6, 1),
            "images_mb": round(found[0]["bytes"] / 1e6, 1),
            "peak_over_images": round(max(one["peak_bytes"] for one in found) / found[0]["bytes"], 2),
        }
        for step, found in runs.items()
    }


def main() -> None:
    """Measure, print, and write results/data_loading.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of parquet files")
    steps = measured(parser.parse_args().data)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {**machine(), "pillow": PIL.__version__, "pyarrow": pyarrow.__version__},
        "repeats": REPEATS,
        "steps": steps,
    }
    for step, found in steps.items():
        print(f"{step:8} {found['images']:>7,} images  {found['seconds']:7.2f} s  peak {found['peak_mb']:6.1f} MB")
    (HERE / "results" / "data_loading.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
