"""Searches in tests: stopped ones, searched in another way, and what must be the same again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Evaluation
from attnspace.record.ledger import Ledger
from attnspace.search.progress import Watcher
from attnspace.search.search import Sitting, search
from attnspace.study.run_directory import RunDirectory
from attnspace.study.study import Study

SECONDS = ("train_s", "total_s", "finished", "worker")

TINY = {
    "name": "tiny",
    "data": {"kind": "digits", "train_images": 60},
    "backbone": {"kind": "resnet", "depth": 8, "width": 16},
    "space": {
        "block": {
            "kind": "gate",
            "squeeze": {"kind": "global", "stats": {"$subset": ["avg", "max"]}},
            "excite": [{"kind": "fc", "reduction": {"$choice": [2, 4, 8]}}],
        },
        "placement": {"stages": {"$subset": [1, 2, 3]}},
    },
    "train": {"epochs": 1, "batch_size": 30, "lr": 0.02},
    "search": {"trials": 3, "threads": 1, "rungs": {"seeds": 1}},
}


def searched(study: Study, path: Path, watcher: Watcher | None = None) -> tuple[Sitting, list[Evaluation]]:
    """Searches in a directory, as the command does: the outcome and the rows of the ledger."""
    place = RunDirectory(path)
    with place.opened(study):
        ledger = Ledger(place.ledger_file)
        try:
            outcome = search(study, ledger, watcher or Watcher(), Checkpoints(place.checkpoint_folder))
            return outcome, ledger.rows()
        finally:
            ledger.close()


class StopAfter(Watcher):
    """Ctrl-C while the epoch after the n-th is running."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.left = epochs

    def epoch_ends(self, job, epoch) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1


class StopAfterRows(Watcher):
    """Ctrl-C when so many rows have been written."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.left = rows

    def design_ends(self, row) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def facts(rows):
    """What must be the same again."""
    return [{k: v for k, v in vars(row).items() if k not in SECONDS} for row in rows]


def with_search(study: Study, **settings: Any) -> Study:
    """The same study, searched in another way."""
    return with_sections(study, search=study.config.search.model_copy(update=settings))


def with_sections(study: Study, **sections: Any) -> Study:
    """The same study, with other sections that need no preparation."""
    return replace(study, source=replace(study.source, config=study.config.model_copy(update=sections)))
