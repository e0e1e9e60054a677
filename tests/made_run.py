"""Runs with made-up results, for what reads them."""

import random
from pathlib import Path

import yaml

from attnspace.space import Space
from attnspace.spec import dump_spec, load_spec, parse_spec
from attnspace.study import Evaluation, Ledger, StudyConfig

PLACEMENT = {"position": "residual", "stages": None, "every": 1}


def made_run(
    path: Path, *, trials: int, baselines: bool = True, failed: int = 0, objective: dict | None = None, epochs: int = 4
) -> Path:
    """A run directory of designs drawn from `{"$any": "gate"}` with random figures."""
    space, rng = Space({"$any": "gate"}), random.Random(0)
    study = StudyConfig.model_validate_json('{"name": "made", "space": {"block": {"$any": "gate"}}}').plain()
    study["objective"] = objective or study["objective"]
    path.mkdir(parents=True)
    (path / "study.yaml").write_text(yaml.safe_dump(study))
    ledger = Ledger(path / "ledger.db")
    named = ("none", "se", "cbam", "eca", "ca") if baselines else ()
    blocks = [(name, {"kind": "identity"} if name == "none" else dump_spec(load_spec(name))) for name in named]
    blocks += [("", space.sample(rng).data) for _ in range(trials + failed)]
    for number, (name, block) in enumerate(blocks):
        is_failed = number >= len(blocks) - failed
        accuracy = round(rng.uniform(0.8, 0.9), 2)
        history = [
            {"epoch": e, "train_loss": 1.0, "val_loss": 1 - accuracy, "val_accuracy": accuracy * e / epochs, "lr": 0.1}
            for e in range(1, epochs + 1)
        ]
        ledger.add(
            Evaluation(
                role="baseline" if name else "trial",
                name=name,
                design=f"{number:016x}",
                recipe="r",
                seed=0,
                epochs=epochs,
                label=parse_spec(block).label(),
                placement="residual, all stages",
                spec={"block": block, "placement": PLACEMENT},
                choices={},
                outcome="failed" if is_failed else "done",
                reason="RuntimeError: <b>out of memory</b>" if is_failed else None,
                val_accuracy=None if is_failed else accuracy,
                val_loss=None if is_failed else 1 - accuracy,
                train_loss=None if is_failed else 1.0,
                history=[] if is_failed else history,
                params=1000 if name == "none" else 1000 + rng.randrange(1, 500),
                flops=10_000,
                train_s=1.0,
                total_s=1.1,
                finished="2026-01-01T00:00:00+00:00",
                versions={"torch": "0"},
                worker="here:1",
            )
        )
    ledger.close()
    return path
