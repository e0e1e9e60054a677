"""Milliseconds to put a block into every block of a network, besides building the network without it.

python -m tests.benchmarks.insertion
"""

import json
import statistics
import time
from pathlib import Path

import torch

from attnspace import insert, slots
from attnspace.backbones import ResNet
from tests.benchmarks.machine import machine

IMAGE = (3, 32, 32)
BLOCKS = ("se", "eca", "cbam", "ca")
REPEATS = 31
TARGET_MS = 20.0
NAMES = [slot.name for slot in slots(ResNet(depth=20, width=16), IMAGE) if slot.position == "residual"]


def once(block: str) -> tuple[float, float]:
    """Milliseconds to build a bare ResNet-20, and to insert the block at the nine ends of its residual branches."""
    began = time.perf_counter()
    model = ResNet(depth=20, width=16)
    built = time.perf_counter()
    insert(model, dict.fromkeys(NAMES, block), IMAGE)
    return 1e3 * (built - began), 1e3 * (time.perf_counter() - built)


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for block in BLOCKS:
        once(block)
        bare, inserted = zip(*(once(block) for _ in range(REPEATS)), strict=True)
        row = {
            "block": block,
            "slots": len(NAMES),
            "n": REPEATS,
            "bare_network_ms": statistics.median(bare),
            "insertion_ms": statistics.median(inserted),
        }
        rows.append(row)
        print(row, f"target {TARGET_MS:g} ms")
    out = Path(__file__).parent / "results" / "insertion.json"
    out.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
