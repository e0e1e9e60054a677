"""The page of the benchmarks names every script, and every script can be imported."""

import importlib
import re
from pathlib import Path

import pytest
import torch

from tests.benchmarks import gpu_checks

HERE = Path(__file__).parent
PAGE = (HERE / "README.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"python -m tests\.benchmarks\.(\w+)", PAGE)))


def test_the_page_names_every_script():
    scripts = {path.stem for path in HERE.glob("*.py") if "\ndef main()" in path.read_text(encoding="utf-8")}
    assert scripts == set(NAMED)


@pytest.mark.parametrize("script", NAMED)
def test_a_script_can_be_imported(script):
    assert callable(importlib.import_module(f"tests.benchmarks.{script}").main)


@pytest.mark.parametrize("check", ["streamed_equals_resident", "the_cpu_agrees"])
def test_checks_that_wait_for_a_gpu_run_on_a_cpu(check, monkeypatch):
    monkeypatch.setattr(gpu_checks, "GPU", torch.device("cpu"))
    found = getattr(gpu_checks, check)()
    assert set(found) == {"train_loss", "val_loss", "weight"}
    assert max(found.values()) == 0


@pytest.mark.parametrize("result", sorted(set(re.findall(r"results/[\w-]+\.json", PAGE))))
def test_results_that_the_page_names_are_kept(result):
    assert (HERE / result).exists()
