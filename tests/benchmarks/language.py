"""The language: how long a spec takes, 5,000 random designs, and 100,000 random and mutated documents.

python -m tests.benchmarks.language [--designs 5000] [--documents 100000]
"""

import argparse
import gc
import json
import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings

from attnspace import SpecError, build, cost, identity, load_spec, parse_spec, published
from attnspace.language.catalogue import entries
from attnspace.language.specs import dump_spec
from tests.benchmarks.machine import machine
from tests.documents import test_fuzz
from tests.random_designs import check, design

REPEATS = 30
TARGETS = {"parse to hash": 300e-6, "build": 5e-3, "cost": 5e-3}


def median_s(do: Callable[[], object]) -> float:
    do()
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        do()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def timings() -> list[dict]:
    """For every published block, at the channel count of the catalogue."""
    rows = []
    for entry in entries():
        data = json.loads(json.dumps(dump_spec(load_spec(entry.name))))
        c, name = entry.channels, entry.name
        rows.append(
            {
                "block": name,
                "parse to hash": median_s(lambda data=data, c=c: identity(parse_spec(data), c)),
                "build": median_s(lambda name=name, c=c: build(name, c)),
                "cost": median_s(lambda name=name, c=c: cost(name, (c, 14, 14))),
            }
        )
    for what, target in TARGETS.items():
        taken = {row["block"]: row[what] for row in rows}
        slowest = max(taken, key=taken.__getitem__)
        print(
            f"{what:<14} median over {len(rows)} blocks {statistics.median(taken.values()) * 1e3:.3f} ms, "
            f"slowest {slowest} {taken[slowest] * 1e3:.3f} ms, target {target * 1e3:g} ms, n={REPEATS} each"
        )
    return rows


def _checked(seed: int) -> tuple[str, str | None]:
    torch.set_num_threads(1)
    data = design(seed)
    try:
        check(data)
    except Exception as error:  # counted and printed, whatever it is
        return data["kind"], f"{seed}: {type(error).__name__}: {error}"
    return data["kind"], None


def designs(many: int) -> dict:
    """Random designs, each through everything that must hold of it."""
    with get_context("spawn").Pool(2) as pool:
        outcomes = pool.map(_checked, range(many), chunksize=50)
    failures = [failure for _, failure in outcomes if failure]
    kinds = dict(Counter(kind for kind, _ in outcomes).most_common())
    print(f"{many} random designs, {len(failures)} failures; kinds {kinds}")
    for failure in failures[:10]:
        print(f"  {failure[:300]}")
    return {"n": many, "failures": len(failures), "kinds": kinds}


def documents(many: int) -> dict:
    """Trees and mutated blocks; anything but a block or a SpecError stops the run."""
    seen: Counter = Counter()
    slowest = 0.0

    def timed(data: object) -> None:
        nonlocal slowest
        gc.disable()  # a collection goes through all that the fuzzer remembers, which is not the document's time
        began = time.perf_counter()
        test_fuzz.check(data)
        slowest = max(slowest, time.perf_counter() - began)
        gc.enable()
        seen["documents"] += 1
        try:
            parse_spec(data)
            seen["blocks"] += 1
        except SpecError:
            seen["spec errors"] += 1

    for strategy, share in ((test_fuzz.trees, 0.3), (test_fuzz.mutated(), 0.7)):
        rules = settings(
            max_examples=int(many * share), deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        began = time.perf_counter()
        rules(given(strategy)(timed))()
        print(f"  {int(many * share)} documents in {time.perf_counter() - began:.0f} s")
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{dict(seen)}; slowest {slowest:.3f} s (target 1), peak memory of the process {memory_mb:.0f} MB (target 1000)"
    )
    return {**seen, "slowest_s": slowest, "peak_memory_mb": memory_mb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=5_000)
    parser.add_argument("--documents", type=int, default=100_000)
    given_ = parser.parse_args()
    torch.set_num_threads(1)
    found = {"machine": machine(), "timings_s": timings(), "designs": designs(given_.designs)}
    found["documents"] = documents(given_.documents)
    out = Path(__file__).parent / "results" / "language.json"
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(out, f"{len(published())} blocks")


if __name__ == "__main__":
    main()
