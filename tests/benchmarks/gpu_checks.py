"""What only a GPU can show of training: each check compares two trainings that have to agree.

    python -m tests.benchmarks.gpu_checks

Deterministic algorithms, so that agreement is to the last bit where nothing but the way of taking steps differs.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from attnspace.backbones import ResNet
from attnspace.data import DigitsConfig, load
from attnspace.data.augment import Augment
from attnspace.data.loader import Batches, Feed
from attnspace.placement import insert
from attnspace.recipe import Recipe
from attnspace.train import Training
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
DATA = load(DigitsConfig(canvas=16))
AUGMENT = Augment(shift=2, flip=True, cutout=4, mixup=0.2)
GPU = torch.device("cuda", 0)


def begun(device: torch.device | str = GPU, **changes) -> Training:
    recipe = Recipe(**{"epochs": 4, "batch_size": 50, "augment": AUGMENT, "deterministic": True, **changes})
    torch.manual_seed(0)
    model = insert(
        ResNet(8, 16, 1, 10), {"stage2.block1.residual": "cbam", "stage3.block1.residual": "se"}, (1, 16, 16)
    )
    return Training(model, Feed(DATA, device), recipe, 0)


def graph_equals_one_by_one(**changes) -> dict:
    captured, single = begun(**changes), begun(**changes)
    single._may_capture = False
    captured.run(4)
    single.run(4)
    assert captured.how == "CUDA graph", captured.how
    return differences(captured, single)


def a_resumed_graph_equals_a_whole_one() -> dict:
    whole, first, second = begun(ema=0.9), begun(ema=0.9), begun(ema=0.9)
    whole.run(4)
    first.run(2)
    second.restore(first.state())
    second.run(4)
    assert second.how == "CUDA graph", second.how
    return differences(whole, second)


def streamed_equals_resident() -> dict:
    resident, streamed = begun(), begun()
    resident._may_capture = False
    streamed.feed.train = Batches(DATA.train, GPU, resident=False)
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
    """A batch that needs more than what the process may take."""
    training = begun(batch_size=780, epochs=1)
    total = torch.cuda.get_device_properties(GPU).total_memory
    training.run(1)
    need = torch.cuda.max_memory_allocated(GPU)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 0.6 * need / total), GPU)
    try:
        small = begun(batch_size=780, epochs=1)
        small.run(1)
        return {"how": small.how, "needed_bytes": need}
    except Exception as error:
        return {"how": f"{type(error).__name__}: {error}", "needed_bytes": need}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)


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
        "train_loss": abs(a.train_loss - b.train_loss) / a.train_loss,
        "val_loss": abs(a.val_loss - b.val_loss) / a.val_loss,
        "weight": max(float((x.float().cpu() - y.float().cpu()).abs().max()) for x, y in weights),
    }


CHECKS = {
    "graph equals one by one, float32": graph_equals_one_by_one,
    "graph equals one by one, bfloat16": lambda: graph_equals_one_by_one(precision="bfloat16"),
    "graph equals one by one, average and clipping": lambda: graph_equals_one_by_one(ema=0.9, grad_clip=1.0),
    "a resumed graph equals a whole one": a_resumed_graph_equals_a_whole_one,
    "streamed equals resident": streamed_equals_resident,
    "activations in the host's memory give the same": less_memory_gives_the_same,
    "memory that does not suffice is relieved": memory_that_does_not_suffice_is_relieved,
    "the CPU agrees": the_cpu_agrees,
}


def main() -> None:
    found: dict = {}
    for name, check in CHECKS.items():
        try:
            found[name] = check()
        except Exception as error:  # the other checks go on, and this one is seen
            found[name] = {"failed": f"{type(error).__name__}: {error}"}
        print(name, found[name], flush=True)
    result = {"machine": machine(), "date": datetime.now(UTC).date().isoformat(), "checks": found}
    (HERE / "results" / "gpu_checks.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
