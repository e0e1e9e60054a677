"""What a confirmation was planned to be, written down before its first training: which designs, seeds and looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ConfirmationPlan"]


@dataclass(frozen=True)
class ConfirmationPlan:
    """The plan of a confirmation. It is binding from its first look on.

    Attributes:
        protocol: hash of data, backbone and training, as in evaluations.
        seeds: the seeds of the trainings, in their order; nobody has looked at them before.
        looks: rising numbers of seeds after which the results are looked at; the last one is the number of seeds.
        margin: differences smaller than this are none in practice: in points where the metric is a share.
        splits: `fresh` if each seed has a split of training and validation images of its own, else `same`.
        designs: `design` (its identity), `spec` and `choices` of each design that is confirmed, the leading one first.
    """

    protocol: str
    seeds: tuple[int, ...]
    looks: tuple[int, ...]
    margin: float | None
    splits: str
    designs: tuple[Mapping[str, Any], ...]

    def to_json(self) -> str:
        """The plan as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ConfirmationPlan:
        """The plan of JSON text.

        Raises:
            KeyError, TypeError, ValueError: it is no plan.
        """
        found = json.loads(text)
        return cls(
            found["protocol"],
            tuple(found["seeds"]),
            tuple(found["looks"]),
            found["margin"],
            str(found["splits"]),
            tuple(found["designs"]),
        )

    @property
    def identities(self) -> tuple[str, ...]:
        """The identities of the designs that are confirmed."""
        return tuple(str(design["design"]) for design in self.designs)
