"""How many trials an hour: a search's way of training against the plain one, on the same machine in the same run.

    python -m tests.benchmarks.throughput --data FOLDER                     # CPU: small, in images per second
    python -m tests.benchmarks.throughput --data FOLDER --device cuda --full

Plain is what a tutorial has: a DataLoader with 8 workers, each image shifted, mirrored and normalised by itself,
float32, step by step, batch 128, SGD. Ours is a trial of `studies/cifar.yaml`: images on the device as uint8, batch
512, bfloat16 on a GPU, a CUDA graph. `--full` trains ResNet-20 for 30 epochs, ours under three seeds and the plain form
under one, compares accuracies on the test images (the recipe is fixed beforehand), then counts trials per hour with
several workers.

FOLDER holds train*.parquet and test*.parquet with columns `img` and `label`.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image, ImageOps
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as PerImage

from attnspace.backbones import ResNet
from attnspace.costs.network import cost
from attnspace.data import Dataset, ParquetConfig
from attnspace.data.augment import Augment
from attnspace.data.loader import DeviceData
from attnspace.record.checkpoints import Checkpoints
from attnspace.study.loading import prepare
from attnspace.training.recipe import Recipe
from attnspace.training.training import Training
from attnspace.workers.job import Job
from attnspace.workers.processes import ProcessPool
from attnspace.workers.sizing import open_pool
from tests.benchmarks.machine import machine
from tests.searching import with_search

HERE = Path(__file__).parent
STUDY = HERE.parents[1] / "studies" / "cifar.yaml"
SHIFT = 4
LOADERS = 8


class Pictures(PerImage):
    """Each image changed by itself, as torchvision's transforms do."""

    def __init__(self, data: Dataset, *, train: bool) -> None:
        split = data.train if train else data.sealed_test()
        images = split.images if isinstance(split.images, torch.Tensor) else split.images.read()
        self.images, self.labels, self.changed = images.permute(0, 2, 3, 1).numpy(), split.labels.tolist(), train
        self.mean, self.std = data.mean.numpy()[:, None, None], data.std.numpy()[:, None, None]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.images[index])
        if self.changed:
            top, left, mirror = (int(n) for n in torch.randint(0, 2 * SHIFT + 1, (3,)))
            image = ImageOps.expand(image, SHIFT).crop((left, top, left + image.width, top + image.height))
            image = ImageOps.mirror(image) if mirror % 2 else image
        x_chw = (np.asarray(image, dtype=np.float32).transpose(2, 0, 1) - self.mean) / self.std
        return torch.from_numpy(x_chw), self.labels[index]


def plain(data: Dataset, device: torch.device, epochs: int, steps: int | None, seed: int = 0) -> dict:
    """The tutorial's loop. `steps` ends each epoch early."""
    torch.manual_seed(seed)
    model = ResNet(20, 16).to(device)
    batches = DataLoader(
        Pictures(data, train=True), 128, shuffle=True, drop_last=True, num_workers=LOADERS, persistent_workers=True,
        pin_memory=device.type == "cuda",
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=epochs, steps_per_epoch=len(batches))
    seconds, images = 0.0, 0
    for _ in range(epochs):
        for step, (x, y) in enumerate(batches):
            if step == 0:  # the loader's processes have begun
                began = time.perf_counter()
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            images += len(y)
            if steps and step + 1 >= steps:
                break
        loss.item()
        seconds += time.perf_counter() - began
    del batches
    return {"images_per_s": images / seconds, "seconds": seconds, "test_accuracy": tested(model, data, device)}


@torch.no_grad()
def tested(model: torch.nn.Module, data: Dataset, device: torch.device) -> float:
    device_data = DeviceData(data, device)
    model.eval()
    right = sum(
        int((model(device_data.normalise(x)).argmax(1) == y).sum())
        for x, y in device_data.batches(data.sealed_test()).in_order(500)
    )
    return right / len(data.sealed_test())


def ours(device_data: DeviceData, recipe: Recipe, epochs: int, seed: int = 0) -> dict:
    """A trial. The first epoch, in which a graph is captured, counts too."""
    torch.manual_seed(seed)
    training = Training(ResNet(20, 16), device_data, recipe, seed)
    began = time.perf_counter()
    training.run(epochs)
    seconds = time.perf_counter() - began
    _, accuracy = training.evaluate(device_data.batches(device_data.data.sealed_test()))
    return {
        "images_per_s": epochs * len(device_data.train) / seconds,
        "seconds": seconds,
        "test_accuracy": accuracy,
        "steps": training.how,
    }


def recipe_of(device: torch.device, **changes) -> Recipe:
    section = yaml.safe_load(STUDY.read_text())["train"]
    augment = Augment(**section.pop("augment"))
    precision = "bfloat16" if device.type == "cuda" else "float32"
    return Recipe(**{**section, "augment": augment, "precision": precision, **changes})


def several(folder: Path, device: torch.device) -> dict:
    """Trials per hour of the plain backbone, by as many workers as are found best."""
    study = with_search(prepare(STUDY, data_folder=folder), rungs=None, device=device.type)
    config = study.config.model_copy(update={"train": recipe_of(device)})
    study = replace(study, source=replace(study.source, config=config))
    said: list[str] = []
    with open_pool(study, Checkpoints(None), note=said.append) as pool:
        assert isinstance(pool, ProcessPool)
        jobs = [Job(study.baselines[0], seed, 0, study.epochs) for seed in range(3 * pool.size)]
        began = time.perf_counter()
        rows = list(pool.worked_off(jobs, begin=lambda job: job))
        seconds = time.perf_counter() - began
    return {"workers": pool.size, "said": said, "trials_per_hour": 3600 * len(rows) / seconds, "n": len(rows)}


def floor(device: torch.device, recipe: Recipe, images: int) -> dict:
    """Seconds of an epoch if nothing but moving activations took time: each kept one is written once, read once and
    has a gradient that is written and read; against the bandwidth of a large copy.
    """
    kept = cost(ResNet(20, 16), (3, 32, 32)).activation_bytes * (0.5 if recipe.precision == "bfloat16" else 1.0)
    source = torch.empty(2**28 if device.type == "cuda" else 2**26, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    bandwidth = 2 * source.nbytes / statistics.median(times[2:])
    return {"bytes_per_image": 4 * kept, "bandwidth_bytes_per_s": bandwidth, "epoch_s": 4 * kept * images / bandwidth}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full", action="store_true", help="30 epochs, three seeds, several workers: for a GPU.")
    given = parser.parse_args()
    device = torch.device(given.device)
    few = 4_096
    section = {} if given.full else {"train_images": few, "validation": 512}
    data = ParquetConfig(kind="parquet", path=str(given.data.resolve()), **section).load()
    device_data, recipe = DeviceData(data, device), recipe_of(device)
    result: dict = {
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "data": f"CIFAR-10 (JPEG copy), {len(data.train)} images",
    }
    if given.full:
        ours(device_data, recipe, 1)  # the device wakes up
        result["ours"] = [ours(device_data, recipe, recipe.epochs, seed) for seed in range(3)]
        result["deterministic"] = ours(device_data, recipe_of(device, deterministic=True), recipe.epochs)
        result["several"] = several(given.data.resolve(), device)
        # The plain form's speed is that of two epochs; its accuracy needs all of them.
        result["plain"] = [plain(data, device, recipe.epochs if seed == 0 else 2, None, seed) for seed in range(2)]
    else:
        recipe = recipe_of(device, epochs=2, batch_size=128)
        rounds = [(ours(device_data, recipe, 1, seed), plain(data, device, 1, 16, seed)) for seed in range(3)]
        result["ours"], result["plain"] = ([pair[i] for pair in rounds] for i in (0, 1))
        for one in (*result["ours"], *result["plain"]):
            one.pop("test_accuracy")  # of an epoch
    result["floor"] = floor(device, recipe, len(data.train))
    result["ratio"] = statistics.median(r["images_per_s"] for r in result["ours"]) / statistics.median(
        r["images_per_s"] for r in result["plain"]
    )
    result["loader_processes"], result["cores"] = LOADERS, os.cpu_count()
    (HERE / "results" / f"throughput-{device.type}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("ours", "plain", "ratio", "floor")}, indent=1))


if __name__ == "__main__":
    main()
