"""Print how far each published block is from its oracles, and write it as JSON.

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
from tests.oracles import ORACLES, Oracle, copy_weights, differences, rounding, sample, stir

QUANTITIES = ("forward", "input gradient", "parameter gradients", "buffers", "parameter count")


def worst(oracle: Oracle, dtype: torch.dtype) -> tuple[dict[str, float], float]:
    """The largest differences over channels, sizes, train and eval; and the oracle's own rounding, its largest."""
    largest, own = dict.fromkeys(QUANTITIES, 0.0), 0.0
    for channels in oracle.channels:
        for size in oracle.sizes:
            for train in (True, False):
                torch.manual_seed(channels)
                reference, ours = stir(oracle.make(channels)), build(oracle.block, channels)
                copy_weights(reference, ours, oracle.order)
                x = sample(channels, dtype=dtype, size=size)
                own = max(own, *rounding(reference, x, train=train).values())
                found = differences(reference, ours, x, train=train, order=oracle.order)
                largest = {name: max(largest[name], found[name]) for name in QUANTITIES}
    return largest, own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "parity.json")
    out = parser.parse_args().out
    rows = []
    title = "largest difference over channels, sizes, train and eval; relative where values exceed 1"
    table = Table("block", "oracle", "channels", "dtype", *QUANTITIES, "oracle's own rounding", title=title)
    for oracle in sorted(ORACLES, key=str):
        channels = ", ".join(map(str, oracle.channels))
        for dtype in (torch.float64, torch.float32):
            found, own = worst(oracle, dtype)
            name = str(dtype).removeprefix("torch.")
            row = {"block": oracle.block, "oracle": oracle.name, "channels": oracle.channels, "dtype": name, **found}
            rows.append({**row, "own rounding": own})
            differing = (f"{found[quantity]:.1e}" for quantity in QUANTITIES)
            table.add_row(oracle.block, oracle.name, channels, name, *differing, f"{own:.1e}")
    Console(width=180).print(table)
    out.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    for dtype in ("float64", "float32"):
        largest = max(max(row[quantity] for quantity in QUANTITIES) for row in rows if row["dtype"] == dtype)
        many = len({row["block"] for row in rows})
        print(f"{dtype}: at most {largest:.1e} over {len(rows) // 2} pairs of {many} blocks")


if __name__ == "__main__":
    main()
