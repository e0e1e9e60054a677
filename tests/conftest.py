from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, settings

from tests.searching import TINY, searched

# `--hypothesis-profile fuzz` is read after this.
settings.register_profile("quick", max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("quick"), max_examples=100_000)
settings.load_profile("quick")

torch.set_num_threads(1)  # tests run side by side


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
    """See `searched`."""
    return searched
