"""Whether two checkouts behave alike: identities, exports, schemas, replayed and trained searches, confirmations.

    python -m tests.benchmarks.same_behaviour write FILE          what this checkout does, as JSON
    python -m tests.benchmarks.same_behaviour compare ONE OTHER   what differs between two such files; status 1 if any

Only what users see is looked at: `attnspace.*` and the command line, so that the code below may be arranged in any way.
Names that were changed on purpose are in RENAMED; times, places and processes are left out.
"""

import argparse
import contextlib
import hashlib
import io
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
import yaml

import attnspace

HERE = Path(__file__).parent
RENAMED = {"recipe": "protocol", "versions": "environment"}
LEFT_OUT = {
    "train_s",
    "total_s",
    "finished",
    "worker",
    "latency_ms",
    "latency_low_ms",
    "latency_high_ms",
    "environment",
}
CHANNELS = (8, 64, 96)

GATES = {
    "kind": "gate",
    "squeeze": {"kind": "global", "stats": {"$subset": ["avg", "max"]}},
    "excite": [{"$choice": [{"kind": "fc", "reduction": {"$choice": [2, 4, 8]}}, {"kind": "conv1d", "kernel": 3}]}],
}
PLACES = {"position": {"$choice": ["residual", "post_add", "pre"]}, "stages": {"$subset": [1, 2, 3]}}
TINY = {
    "name": "tiny",
    "data": {"kind": "digits", "train_images": 60},
    "backbone": {"kind": "resnet", "depth": 8, "width": 16},
    "space": {"block": GATES, "placement": PLACES},
    "train": {"epochs": 4, "batch_size": 30, "lr": 0.02},
    "search": {"trials": 8, "threads": 1, "rungs": {"first": 1, "factor": 2}},
    "confirm": {"top": 2, "seeds": 2},
}
TRAINED = {
    "plain": {},
    "two-objectives-with-limits": {
        "objective": {
            "maximize": "val_accuracy",
            "minimize": "params",
            "subject_to": {"params_overhead": 0.05, "activation_bytes_overhead": 0.5},
        },
        "train": {**TINY["train"], "ema": 0.9, "augment": {"shift": 1, "cutout": 2, "mixup": 0.2}, "grad_clip": 1.0},
    },
    "per-stage-and-identity-start": {
        "space": {
            "block": {"per_stage": {"1": {"$published": "eca"}, "2": GATES, "3": {"$any": "gate"}}},
            "placement": {"every": {"$int": [1, 2]}, "start": "identity"},
            "fixed": {"placement.every": 1},
        },
        "search": {**TINY["search"], "sampler": "tpe", "rungs": {"factor": 2, "seeds": 2}},
        "objective": {"minimize": "val_loss"},
    },
    "own-loop": {"train": {"import": "loop.py:train", "epochs": 2}, "search": {"trials": 4, "threads": 1}},
}
REPLAYED = {
    "nsga2-rungs": ({"sampler": "nsga2", "trials": 120}, {"maximize": "val_accuracy"}),
    "evolution-two-objectives": (
        {"sampler": "evolution", "trials": 100, "seed": 1},
        {"maximize": "val_accuracy", "minimize": "params", "subject_to": {"flops_overhead": 0.05}},
    ),
    "tpe-plain": ({"sampler": "tpe", "trials": 40, "rungs": None, "seed": 2}, {"minimize": "val_loss"}),
    "random-seeds": (
        {"sampler": "random", "trials": 150, "rungs": {"seeds": 3}},
        {"maximize": "val_accuracy"},
    ),
}
LOOP = """
import torch
def train(model, report):
    for epoch in range(report.epochs):
        report(val_accuracy=0.5 + 0.1 * epoch, val_loss=float(sum(p.abs().sum() for p in model.parameters())) / 1e4)
    last = {"val_accuracy": sum(p.numel() for p in model.parameters()) % 97 / 97, "val_loss": 0.25, "train_loss": 0.5}
    return last | ({"test_accuracy": 0.5, "test_loss": 1.0} if report.confirming else {})
"""
FILES = ("winner.json", "study.yaml", "meaning.json")


def command(*words: str) -> str:
    """What a command prints."""
    from attnspace.cli import run

    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["attnspace", *words]), contextlib.redirect_stdout(said):
        status = run()
    return f"{status}\n{said.getvalue()}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def language() -> Iterator[tuple[str, object]]:
    """Identities, labels, differences, first weights, costs and exports of the published blocks; random designs."""
    for name in attnspace.published():
        block = attnspace.load_spec(name)
        for channels in CHANNELS:
            with contextlib.suppress(attnspace.SpecError):
                yield f"identity/{name}/{channels}", attnspace.identity(name, channels)
                torch.manual_seed(channels)
                module = attnspace.build(name, channels).eval()
                output = module(torch.linspace(-1, 1, 2 * channels * 30).view(2, channels, 6, 5))
                numbers = [*(p.detach().double().sum().item() for p in module.parameters()), output.sum().item()]
                yield f"weights/{name}/{channels}", numbers
                yield f"cost/{name}/{channels}", vars(attnspace.cost(name, (channels, 16, 12)))
        yield f"label/{name}", block.label()
        yield f"diff/{name}", attnspace.diff("se", name)
        yield f"export/py/{name}", digest(command("export", name, "--to", "py"))
        yield f"export/json/{name}", digest(command("export", name, "--to", "json"))
    space, rng = attnspace.load_space({"$any": "block"}), random.Random(0)
    for number in range(2_000):
        data = space.sample(rng).data
        yield f"random/{number}", [attnspace.identity(data, 128), digest(json.dumps(data, sort_keys=True))]
    for of in ("spec", "study"):
        yield f"schema/{of}", json.loads(command("schema", of).partition("\n")[2])
    for words in (["list", "--markdown"], ["list"], ["show", "cbam"], ["show", "se", "--diff", "ca"]):
        yield f"command/{' '.join(words)}", command(*words).splitlines()
    for study in sorted((HERE.parents[1] / "studies").glob("digits.yaml")):
        yield f"show/{study.name}", command("show", str(study)).splitlines()[2:]


def table(run: Path) -> list[dict]:
    """The rows of a run, without what differs by chance."""
    frame = attnspace.frame(run).rename(columns=RENAMED)
    kept = [name for name in frame.columns if name not in LEFT_OUT]
    return json.loads(frame[sorted(kept)].to_json(orient="records", double_precision=15))


def searches(folder: Path) -> Iterator[tuple[str, object]]:
    """Trained and replayed searches, from the command line."""
    (folder / "loop.py").write_text(LOOP)
    for name, change in TRAINED.items():
        study = {**TINY, **change, "name": name}
        yield from searched(folder, name, study, confirm=True)
    replay = {
        **yaml.safe_load((HERE / "data" / "digits.yaml").read_text()),
        **yaml.safe_load((HERE / "data" / "digits_replay.yaml").read_text()),
    }
    replay["train"]["table"] = str(HERE / "data" / "digits.parquet")
    for name, (search, objective) in REPLAYED.items():
        study = {**replay, "name": name, "search": {**replay["search"], **search}, "objective": objective}
        yield from searched(folder, name, study, confirm=False)


def searched(folder: Path, name: str, study: dict, *, confirm: bool) -> Iterator[tuple[str, object]]:
    file, run = folder / f"{name}.yaml", folder / name
    file.write_text(yaml.safe_dump(study, sort_keys=False))
    yield f"{name}/check", said(command("check", str(file)), folder)
    command("search", str(file), "--run", str(run))
    yield f"{name}/search", table(run)
    if confirm:
        command("confirm", str(run))
        yield f"{name}/confirm", table(run)
    for kept in FILES:
        text = (run / kept).read_text() if (run / kept).exists() else ""
        for old, new in RENAMED.items():
            text = text.replace(f'"{old}":', f'"{new}":')
        yield f"{name}/{kept}", said(text, folder)


def said(text: str, folder: Path) -> list[str]:
    return text.replace(str(folder), "FOLDER").replace(str(HERE), "HERE").splitlines()


def write(file: Path) -> None:
    found = dict(language())
    with tempfile.TemporaryDirectory() as folder:
        found |= dict(searches(Path(folder)))
    file.write_text(json.dumps(found, indent=1, sort_keys=True))
    print(f"{file}: {len(found)} observations")


def compare(one: Path, other: Path) -> int:
    """How many observations differ; each is printed."""
    first, second = json.loads(one.read_text()), json.loads(other.read_text())
    differing = [key for key in sorted({*first, *second}) if first.get(key) != second.get(key)]
    for key in differing:
        print(key, *_where(first.get(key), second.get(key)), sep="\n  ")
    print(f"{len({*first, *second})} observations, {len(differing)} differ")
    return len(differing)


def _where(one: object, other: object, at: str = "") -> list[str]:
    """The first places at which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        parts = [(f"{at}.{key}", one.get(key), other.get(key)) for key in {**one, **other}]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = [(f"{at}.{i}", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return [f"{at}: {str(one)[:200]} | {str(other)[:200]}"]
    return [line for where, a, b in parts if a != b for line in _where(a, b, where)][:5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["write", "compare"])
    parser.add_argument("files", nargs="+", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "write":
        write(asked.files[0])
    else:
        sys.exit(int(compare(*asked.files) > 0))


if __name__ == "__main__":
    main()
