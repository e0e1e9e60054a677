"""Runs with made-up results, for what reads them."""

import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import yaml

from attnspace.language.specs import dump_spec, load_spec, parse_spec
from attnspace.record.evaluation import Evaluation, Outcome, Phase, Role
from attnspace.record.ledger import Ledger
from attnspace.space.space import Space
from attnspace.study.config import StudyConfig

PLACEMENT = {"position": "residual", "stages": None, "every": 1}


def made_run(
    path: Path,
    *,
    trials: int,
    baselines: bool = True,
    failed: int = 0,
    objective: dict | None = None,
    epochs: int = 4,
    paused: int = 0,
    confirmed: int = 0,
) -> Path:
    """A run directory of designs drawn from `{"$any": "gate"}` with random figures.

    The last `paused` of the trials stopped after one epoch; `confirmed` fresh seeds were trained of the best, the
    baselines and a control.
    """
    space, rng = Space({"$any": "gate"}), random.Random(0)
    study = StudyConfig.model_validate_json('{"name": "made", "space": {"block": {"$any": "gate"}}}').plain()
    study["objective"] = objective or study["objective"]
    path.mkdir(parents=True)
    (path / "study.yaml").write_text(yaml.safe_dump(study))
    ledger = Ledger(path / "ledger.db")
    named = ("none", "se", "cbam", "eca", "ca") if baselines else ()
    blocks = [(name, {"kind": "identity"} if name == "none" else dump_spec(load_spec(name))) for name in named]
    drawn = [space.sample(rng) for _ in range(trials + failed)]
    blocks += [("", filling.data) for filling in drawn]
    choices = [*({} for _ in named), *({f"block{k}": v for k, v in filling.choices.items()} for filling in drawn)]
    rows = []
    for number, (name, block) in enumerate(blocks):
        is_failed = number >= len(blocks) - failed
        is_paused = not is_failed and number >= len(blocks) - failed - paused
        until = 1 if is_paused else epochs
        accuracy = round(rng.uniform(0.8, 0.9), 2)
        history = [
            {"epoch": e, "train_loss": 1.0, "val_loss": 1 - accuracy, "val_accuracy": accuracy * e / epochs, "lr": 0.1}
            for e in range(1, epochs + 1)
        ]
        rows.append(
            Evaluation(
                phase=Phase.SEARCH,
                trial=None if name else number - len(named),
                role=Role.BASELINE if name else Role.TRIAL,
                name=name,
                design=f"{number:016x}",
                protocol="r",
                seed=0,
                epochs=until,
                label=parse_spec(block).label(),
                placement="residual, all stages",
                spec={"block": block, "placement": PLACEMENT},
                choices=choices[number],
                outcome=Outcome.FAILED if is_failed else Outcome.PAUSED if is_paused else Outcome.DONE,
                reason="RuntimeError: <b>out of memory</b>" if is_failed else None,
                metrics={
                    "val_accuracy": None if is_failed else accuracy,
                    "val_loss": None if is_failed else 1 - accuracy,
                    "train_loss": None if is_failed else 1.0,
                    "test_accuracy": None,
                    "test_loss": None,
                },
                history=[] if is_failed else history[:until],
                costs={
                    "params": 1000 if name == "none" else 1000 + rng.randrange(1, 500),
                    "flops": 10_000,
                    "activation_bytes": 4_000 + number,
                    "latency_ms": None,
                    "latency_low_ms": None,
                    "latency_high_ms": None,
                },
                train_s=1.0,
                total_s=1.1,
                finished="2026-01-01T00:00:00+00:00",
                environment={"torch": "0"},
                worker="here:1",
            )
        )
    done = [row for row in rows if row.outcome == "done"]
    best = max((row for row in done if row.role == "trial"), key=lambda row: row.metrics["val_accuracy"], default=None)
    for seed in range(confirmed):
        control = replace(rows[0], role=Role.CONTROL, name="constant", design="c" * 16)
        for again in filter(None, (best, *(row for row in done if row.role == "baseline"), control)):
            score = again.metrics["val_accuracy"] + rng.gauss(0, 0.01)
            fresh = {"phase": Phase.CONFIRM, "trial": None, "seed": 1_000_000 + seed}
            rows.append(
                replace(again, **fresh, metrics={**again.metrics, "test_accuracy": score, "test_loss": 1 - score})
            )
    for row in rows:
        ledger.add(row)
    ledger.close()
    return path


def age(run) -> None:
    """Give a run the names that earlier versions wrote."""
    with sqlite3.connect(run / "ledger.db") as connection:
        for now, before in (("protocol", "recipe"), ("environment", "versions")):
            connection.execute(f"ALTER TABLE evaluations RENAME COLUMN {now} TO {before}")
    meaning = run / "meaning.json"
    if meaning.exists():
        meaning.write_text(meaning.read_text().replace('"protocol"', '"recipe"'))
