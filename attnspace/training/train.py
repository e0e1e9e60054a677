"""The section `train` of a study: a family of kinds, each of which says how designs come to their results.

What a kind does with its section is its `Method`, see `attnspace.training.method`.
"""

from __future__ import annotations

from typing import ClassVar

from attnspace.documents.sections import Kind

__all__ = ["Train"]


class Train(Kind, family=True):
    """The section `train` of a study: how every design comes to its results."""

    default_kind = "sgd"
    first = ("sgd", "replay", "import")

    pauses: ClassVar[bool] = True
    """Whether a training can stop at a rung and go on later."""

    can_confirm: ClassVar[bool] = True
    """Whether designs can be trained again under fresh seeds."""

    @property
    def length(self) -> int | None:
        """The epochs of a whole training, where the section itself says so."""
        return getattr(self, "epochs", None)

    @property
    def rise(self) -> int:
        """For how many epochs the learning rate rises; designs that are trained no further are hardly told apart."""
        return 0
