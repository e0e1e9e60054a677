"""Print how far each published block is from its oracle, and write it as JSON.

python -m tests.benchmarks.parity
"""

import argparse
import json
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from attnspace import build
from tests.benchmarks.machine import machine
from tests.oracles import CHANNELS, ORACLES, Oracle, copy_weights, differences, sample

QUANTITIES = ("forward", "input gradient", "parameter gradients", "buffers", "parameter count")


def worst(oracle: Oracle, dtype: torch.dtype) -> dict[str, float]:
    """The largest differences over channels, shapes, train and eval."""
    largest = dict.fromkeys(QUANTITIES, 0.0)
    for channels in CHANNELS:
        if channels < oracle.min_channels:
            continue
        for size in ((7, 5), (6, 6)):
            for train in (True, False):
                torch.manual_seed(channels)
                reference, ours = oracle.make(channels), build(oracle.block, channels)
                copy_weights(reference, ours)
                found = differences(reference, ours, sample(channels, dtype=dtype, size=size), train=train)
                largest = {name: max(largest[name], found[name]) for name in QUANTITIES}
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "parity.json")
    out = parser.parse_args().out
    rows = []
    table = Table("block", "oracle", "dtype", *QUANTITIES, title="largest difference, relative where values exceed 1")
    for oracle in ORACLES:
        for dtype in (torch.float64, torch.float32):
            found = worst(oracle, dtype)
            name = str(dtype).removeprefix("torch.")
            rows.append({"block": oracle.block, "oracle": oracle.name, "dtype": name, **found})
            table.add_row(oracle.block, oracle.name, name, *(f"{found[quantity]:.1e}" for quantity in QUANTITIES))
    Console(width=150).print(table)
    out.write_text(json.dumps({"machine": machine(), "channels": CHANNELS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
