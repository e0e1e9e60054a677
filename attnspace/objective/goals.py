"""What is better: metrics and costs, and which way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from attnspace.costs.measured import declared
from attnspace.documents.families import fault
from attnspace.documents.names import OneOf
from attnspace.documents.sections import Section
from attnspace.documents.validation import did_you_mean
from attnspace.objective.limits import Limits
from attnspace.objective.metrics import METRICS, Direction, goal_metrics

__all__ = ["Goal", "Objective"]

Benefit = Annotated[str, OneOf(lambda: goal_metrics("maximize"))]
Burden = Annotated[str, OneOf(lambda: [*goal_metrics("minimize"), *declared()])]


@dataclass(frozen=True)
class Goal:
    """One metric and which way is better: `sign` times the metric is to be large."""

    metric: str
    direction: Direction

    @property
    def sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def is_learnt(self) -> bool:
        """Whether the metric comes out of training; otherwise it is a cost."""
        return self.metric in METRICS


def _listed(metrics: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (metrics,) if isinstance(metrics, str) else metrics or ()


def _undeclared(name: str) -> Exception:
    """A fault that says how a metric or cost of one's own is made known, and which known name is meant perhaps."""
    known = [*goal_metrics("maximize"), *goal_metrics("minimize"), *declared()]
    own = "one of your own is known once the module that declares it is imported, as CONTRIBUTING.md shows"
    remedy = "; ".join(filter(None, [did_you_mean(name, known), own]))
    return fault(f"no metric or cost is named {name!r}", allowed=", ".join(known), remedy=remedy)


class Objective(Section):
    """What is better: a metric of the last epoch on the validation split, alone or beside costs; and limits.

    One that names neither has `maximize: val_accuracy`. The first learnt metric ranks the table. With several metrics
    the search looks for their Pareto front.
    """

    maximize: Annotated[
        Benefit | tuple[Benefit, ...] | None, Field(description="A metric of which more is better, or several.")
    ] = None
    minimize: Annotated[
        Burden | tuple[Burden, ...] | None, Field(description="A metric of which less is better, or several.")
    ] = None
    subject_to: Annotated[Limits, Field(description="What a design may cost; others are never trained.")] = Limits()

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not {"maximize", "minimize"} & data.keys():
            return {**data, "maximize": "val_accuracy"}
        return data

    @field_validator("maximize", "minimize", mode="before")
    @classmethod
    def _direction(cls, value: Any, info: ValidationInfo) -> Any:
        other, metrics = ("maximize", goal_metrics("maximize"))
        if info.field_name == "maximize":
            other, metrics = "minimize", [*goal_metrics("minimize"), *declared()]
        for metric in value if isinstance(value, list | tuple) else [value]:
            if metric in metrics:
                raise fault(f"{metric} is to be {other}d", remedy=f"write {other}: {metric}")
            if isinstance(metric, str) and metric not in METRICS and metric not in declared():
                raise _undeclared(metric)
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_learnt(self) -> Self:
        named = [goal.metric for goal in self.goals]
        if len(set(named)) < len(named):
            raise fault("names a metric twice", remedy="name each once")
        if not any(goal.is_learnt for goal in self.goals):
            learnt = [f"{m.better}: {m.name}" for m in METRICS.values() if m.part == "val"]
            example = "add maximize: val_accuracy"
            raise fault("names no metric that training finds out", allowed=", ".join(learnt), remedy=example)
        if len(named) > 3:
            raise fault("names too many metrics", allowed="up to 3")
        return self

    @property
    def goals(self) -> tuple[Goal, ...]:
        """Every metric, those to be maximized first."""
        return (
            *(Goal(metric, "maximize") for metric in _listed(self.maximize)),
            *(Goal(metric, "minimize") for metric in _listed(self.minimize)),
        )

    @property
    def costs(self) -> frozenset[str]:
        """The costs that the objective names, as goals or limits."""
        return frozenset(goal.metric for goal in self.goals if not goal.is_learnt) | self.subject_to.limited

    @property
    def times(self) -> bool:
        """Whether the objective names a cost that is a time."""
        return any(declared()[name].timed for name in self.costs)

    @property
    def primary(self) -> Goal:
        """The first learnt metric: it ranks the table."""
        return next(goal for goal in self.goals if goal.is_learnt)
