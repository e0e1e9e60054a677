"""What only a GPU can show of training: each check compares two trainings that have to agree, or ends with status 1.

    python -m tests.benchmarks.gpu_checks [--device cuda:0]

Deterministic algorithms, so that agreement is to the last bit where nothing but the way of taking steps differs.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from attnspace.backbones import ResNet
from attnspace.data import DigitsConfig
from attnspace.data.augment import Augment
from attnspace.data.loader import Batches, DeviceData
from attnspace.placement.insertion import insert
from attnspace.training.epoch import Epoch
from attnspace.training.recipe import Recipe
from attnspace.training.training import Training
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
DATA = DigitsConfig(canvas=16).load()
AUGMENT = Augment(shift=2, flip=True, cutout=4, mixup=0.2)
GPU = torch.device("cuda", 0)
EXACT, ROUNDED = 0.0, 0.02


def begun(device: torch.device | str | None = None, *, dropout: float = 0.0, **changes) -> Training:
    recipe = Recipe(**{"epochs": 4, "batch_size": 50, "augment": AUGMENT, "deterministic": True, **changes})
    torch.manual_seed(0)
    blocks = {"stage2.block1.residual": "cbam", "stage3.block1.residual": "se"}
    model = insert(ResNet(8, 16, 1, 10), blocks, (1, 16, 16))
    model.stage2.append(nn.Dropout(dropout))
    return Training(model, DeviceData(DATA, device or GPU), recipe, 0)


def graph_equals_one_by_one(**changes) -> dict:
    captured, single = begun(**changes), begun(**changes)
    single._may_capture = False
    captured.run(4)
    single.run(4)
    assert captured.how == "CUDA graph", captured.how
    return differences(captured, single)


def a_resumed_graph_equals_a_whole_one(**changes) -> dict:
    whole, first, second = (begun(ema=0.9, **changes) for _ in range(3))
    whole.run(4)
    first.run(2)
    second.restore(first.state())
    second.run(4)
    assert second.how == "CUDA graph", second.how
    return differences(whole, second)


def streamed_equals_resident() -> dict:
    resident, streamed = begun(), begun()
    resident._may_capture = False
    streamed.device_data.train = Batches(DATA.train, GPU, resident=False)
    streamed.device_data.validation = Batches(DATA.validation, GPU, resident=False)
    resident.run(4)
    streamed.run(4)
    return differences(resident, streamed)


def less_memory_gives_the_same() -> dict:
    plenty, little = begun(), begun()
    plenty._may_capture = little._may_capture = False
    little._step._offload = True
    plenty.run(4)
    little.run(4)
    return differences(plenty, little)


def memory_that_does_not_suffice_is_relieved() -> dict:
    """A batch that needs more than what the process may take, once it may take less."""
    plenty, little = begun(batch_size=780, epochs=1), begun(batch_size=780, epochs=1)
    torch.cuda.reset_peak_memory_stats(GPU)
    plenty.run(1)
    need = torch.cuda.max_memory_allocated(GPU)
    torch.cuda.empty_cache()
    free = torch.cuda.memory_allocated(GPU) + 0.5 * (need - torch.cuda.memory_allocated(GPU))
    torch.cuda.set_per_process_memory_fraction(free / torch.cuda.get_device_properties(GPU).total_memory, GPU)
    try:
        little.run(1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert "host's memory" in little.how, little.how
    return {**differences(plenty, little), "how": little.how, "needed_bytes": need}


def the_cpu_agrees() -> dict:
    """Same order, same augmentation: the first epoch differs by rounding alone."""
    there, here = begun(epochs=1), begun("cpu", epochs=1)
    there.run(1)
    here.run(1)
    return differences(there, here)


def differences(one: Training, other: Training) -> dict:
    """Of the last epoch's losses, relative, and the largest of any weight."""
    a, b = one.history[-1], other.history[-1]
    weights = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return {
        "train_loss": _relative(a, b, "train_loss"),
        "val_loss": _relative(a, b, "val_loss"),
        "weight": max(float((x.float().cpu() - y.float().cpu()).abs().max()) for x, y in weights),
    }


def _relative(a: Epoch, b: Epoch, metric: str) -> float:
    return abs(a.metrics[metric] - b.metrics[metric]) / a.metrics[metric]


CHECKS = {
    "graph equals one by one, float32": (graph_equals_one_by_one, EXACT),
    "graph equals one by one, bfloat16": (lambda: graph_equals_one_by_one(precision="bfloat16"), EXACT),
    "graph equals one by one, average and clipping": (lambda: graph_equals_one_by_one(ema=0.9, grad_clip=1.0), EXACT),
    "a resumed graph equals a whole one": (a_resumed_graph_equals_a_whole_one, EXACT),
    "a resumed graph equals a whole one, dropout": (lambda: a_resumed_graph_equals_a_whole_one(dropout=0.2), EXACT),
    "streamed equals resident": (streamed_equals_resident, EXACT),
    "activations in the host's memory give the same": (less_memory_gives_the_same, ROUNDED),
    "memory that does not suffice is relieved": (memory_that_does_not_suffice_is_relieved, ROUNDED),
    "the CPU agrees": (the_cpu_agrees, ROUNDED),
}


def main() -> int:
    global GPU
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda:0")
    GPU = torch.device(parser.parse_args().device)
    torch.cuda.set_device(GPU)
    found: dict = {}
    for name, (check, tolerance) in CHECKS.items():
        try:
            found[name] = check()
            agrees = max(found[name]["train_loss"], found[name]["val_loss"]) <= tolerance
            found[name] |= {"tolerance": tolerance, "agrees": agrees}
        except Exception as error:  # the other checks go on; this one counts as failed
            found[name] = {"agrees": False, "error": f"{type(error).__name__}: {error}"}
        print(name, found[name], flush=True)
    result = {"machine": machine(), "date": datetime.now(UTC).date().isoformat(), "checks": found}
    (HERE / "results" / "gpu_checks.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(check["agrees"] for check in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
