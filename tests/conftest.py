from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, settings

from attnspace.record.checkpoints import Checkpoints
from attnspace.record.ledger import Ledger
from attnspace.search.progress import Watcher
from attnspace.search.search import search
from attnspace.study.run_directory import RunDirectory
from attnspace.study.study import Study

# `--hypothesis-profile fuzz` is read after this.
settings.register_profile("quick", max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("quick"), max_examples=100_000)
settings.load_profile("quick")

torch.set_num_threads(1)  # tests run side by side

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
    "search": {"trials": 3, "threads": 1},
}


@pytest.fixture
def tiny() -> dict:
    """A study of a second, to be changed and written."""
    return yaml.safe_load(yaml.safe_dump(TINY))


@pytest.fixture
def write(tmp_path: Path):
    """Writes data as a YAML file and returns its path."""

    def writer(data, name: str = "study.yaml") -> Path:
        path = tmp_path / name
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False))
        return path

    return writer


@pytest.fixture
def run():
    """Searches in a directory, as the command does: the outcome and the rows of the ledger."""

    def runner(study: Study, path, watcher: Watcher | None = None):
        place = RunDirectory(path)
        with place.opened(study):
            ledger = Ledger(place.ledger_file)
            try:
                outcome = search(study, ledger, watcher or Watcher(), Checkpoints(place.checkpoint_folder))
                return outcome, ledger.rows()
            finally:
                ledger.close()

    return runner
