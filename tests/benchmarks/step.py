"""How much longer a training step takes here than a bare loop: forward, backward, update on one batch that is ready.

    python -m tests.benchmarks.step [--device cuda] [--depth 20] [--batch 128] [--rounds 15]

A round takes steps of each form in turn, so that what slows the machine slows all; ratios are medians over rounds.
The bare loops lack batches, augmentation, normalisation and bookkeeping. `bare` is the loop as tutorials have it,
`bare, channels_last` the same with the memory layout and the fused optimizer that are used here. What deterministic
algorithms cost is `deterministic / ours`.
"""

import argparse
import json
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
import torch.nn.functional as F

from attnspace.backbones import ResNet
from attnspace.data import Dataset, DataSplit
from attnspace.data.augment import Augment
from attnspace.data.loader import DeviceData
from attnspace.training.recipe import Recipe
from attnspace.training.training import Training, algorithms
from tests.benchmarks.machine import machine

HERE = Path(__file__).parent
STEPS = 4
IMAGES = 10_000


def made_up() -> Dataset:
    """Images of CIFAR's shape."""
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=stream)
    split = DataSplit(images, torch.randint(0, 10, (IMAGES,), generator=stream))
    few = DataSplit(images[:128], split.labels[:128])
    mean, std = torch.full((3,), 127.5), torch.full((3,), 73.9)
    return Dataset(split, few, tuple("0123456789"), mean, std, "made up", _test=lambda: few)


def bare(depth: int, batch: int, device: torch.device, *, channels_last: bool):
    """A loop on one batch that is ready."""
    torch.manual_seed(0)
    model = ResNet(depth, 16).to(device)
    x, y = torch.randn(batch, 3, 32, 32, device=device), torch.randint(0, 10, (batch,), device=device)
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, fused=channels_last or None)

    def steps(number: int) -> None:
        for _ in range(number):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return steps


def ours(depth: int, batch: int, device: torch.device, *, deterministic: bool = False):
    """Steps as a search takes them: batch chosen, shifted, mirrored, normalised; loss added up, rate set."""
    torch.manual_seed(0)
    augment = Augment(shift=4, flip=True)
    recipe = Recipe(epochs=1_000, batch_size=batch, lr=0.01, augment=augment, deterministic=deterministic)
    training = Training(ResNet(depth, 16), DeviceData(made_up(), device), recipe, 0)
    first = [0]

    def steps(number: int) -> None:
        training.model.train()
        order = torch.randperm(IMAGES)[: number * batch].view(number, batch)
        with algorithms(deterministic):
            training._all_steps(order, training._drawn(number), first[0])
        first[0] += number

    return steps


def timed(steps, number: int, device: torch.device) -> float:
    """Seconds of a step."""
    began = time.perf_counter()
    steps(number)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / number


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    device = torch.device(given.device)
    forms = {
        "bare": bare(given.depth, given.batch, device, channels_last=False),
        "bare, channels_last": bare(given.depth, given.batch, device, channels_last=True),
        "ours": ours(given.depth, given.batch, device),
        "deterministic": ours(given.depth, given.batch, device, deterministic=True),
    }
    for steps in forms.values():
        timed(steps, STEPS, device)
    rounds = [{name: timed(steps, STEPS, device) for name, steps in forms.items()} for _ in range(given.rounds)]
    pairs = (("ours", "bare"), ("ours", "bare, channels_last"), ("deterministic", "ours"))
    ratios = {f"{a} / {b}": statistics.median(found[a] / found[b] for found in rounds) for a, b in pairs}
    result = {
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "n": given.rounds,
        "network": f"ResNet-{given.depth}, width 16, batch {given.batch}, 32 x 32, float32",
        "median_ratio": ratios,
        "median_s": {name: statistics.median(found[name] for found in rounds) for name in forms},
    }
    (HERE / "results" / f"step-{device.type}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["median_ratio"], indent=1))


if __name__ == "__main__":
    main()
