"""What a metric is: a number that comes out of a training, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import attnspace.costs.measured  # noqa: F401  # attnspace's own costs have their names before any metric
from attnspace.documents.columns import claim, share
from attnspace.documents.sections import sections_changed

__all__ = ["Direction", "METRICS", "Metric", "Part", "declare_metric", "goal_metrics", "metrics_of"]

Direction = Literal["maximize", "minimize"]
Part = Literal["train", "val", "test"]
"""The parts of the images: those that train, those that validate, and those that only a confirmation looks at."""


@dataclass(frozen=True)
class Metric:
    """A number that comes out of a training.

    Attributes:
        name: what a study, the ledger and tables call it.
        title: its name in words, for the axes of plots.
        better: which way is better.
        part: the images that it is measured on; a study's objective may name metrics of the validation images.
        share: whether it is a share, from 0 to 1, which sentences give in percent.
    """

    name: str
    title: str
    better: Direction
    part: Part
    share: bool = False

    def show(self, value: float) -> str:
        """A value as text: a share in percent, any other number with four digits."""
        return f"{value:.1%}" if self.share else f"{value:.4g}"

    def show_gain(self, gain: float) -> str:
        """A difference of two values as text: of shares in percentage points."""
        return f"{100 * gain:+.1f}" if self.share else f"{gain:+.4g}"


METRICS: dict[str, Metric] = {}
"""Every declared metric, by name."""

share("metric", lambda: METRICS)


def declare_metric(metric: Metric) -> Metric:
    """Make a metric known: the ledger has a column for it, and an objective may name it.

    Raises:
        ValueError: its name is none or is taken.
    """
    claim("metric", metric.name)
    METRICS[metric.name] = metric
    sections_changed()
    return metric


def metrics_of(*parts: Part) -> list[str]:
    """The names of the metrics that are measured on these parts of the images."""
    return [metric.name for metric in METRICS.values() if metric.part in parts]


def goal_metrics(direction: Direction) -> list[str]:
    """The names of the metrics that an objective may maximise, or may minimise."""
    return [metric.name for metric in METRICS.values() if metric.part == "val" and metric.better == direction]


declare_metric(Metric("val_accuracy", "validation accuracy", "maximize", "val", share=True))
declare_metric(Metric("val_loss", "validation loss", "minimize", "val"))
declare_metric(Metric("train_loss", "training loss", "minimize", "train"))
declare_metric(Metric("test_accuracy", "test accuracy", "maximize", "test", share=True))
declare_metric(Metric("test_loss", "test loss", "minimize", "test"))
