"""A fault of the whole is told from a fault of one design: the plain network and another one fail in the same words."""

from __future__ import annotations

import re

from attnspace.errors import RunFailed, StudyError
from attnspace.record.evaluation import Evaluation, Outcome
from attnspace.workers.job import SET_ASIDE

__all__ = ["CommonFault"]

_NUMBER = re.compile(r"0x[0-9a-f]+|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
"""Numbers and addresses, which differ from network to network."""
_OF_ONE_DESIGN = re.compile(r"out of memory|can't allocate|became (nan|-?inf)|its process was ended", re.IGNORECASE)
"""Failures that say something of a design, even where several have them: it needs too much, or diverges."""


class CommonFault:
    """Holds failures back from the record until it is known whose they are, and ends what all networks fail at.

    What was held back is not on record, so that everything is trained once the cause is mended.

    Args:
        plain: the identity of the network without attention.
        file: the study's.
        begun: whether something is on record already: then what fails now is of one design.
    """

    def __init__(self, plain: str, file: str, *, begun: bool) -> None:
        self._plain = plain
        self._file = file
        self._held: list[Evaluation] = []
        self._is_open = not begun

    def sift(self, row: Evaluation) -> list[Evaluation]:
        """The rows that may be recorded now that this one has ended, in the order in which they ended.

        Raises:
            StudyError: the plain network and another one failed alike, and nothing was trained yet.
            RunFailed: the plain network was set aside; everything is compared with it.
        """
        if row.design == self._plain and (row.reason or "").startswith(SET_ASIDE):
            raise RunFailed(
                f"the network without attention, which all others are compared with, was {row.reason}",
                file=self._file,
                remedy="mend the cause, such as too little memory, and give the same command again",
            )
        self._held.append(row)
        if self._is_open:
            common = [held for held in self._held if _may_be_common(held)]
            plain = [held for held in self._held if held.design == self._plain]
            others = [held for held in common if held.design != self._plain]
            if plain and plain[0] in common and any(_words(held) == _words(plain[0]) for held in others):
                raise self._error(str(plain[0].reason))
            trained = any(held.outcome != Outcome.FAILED for held in self._held)
            self._is_open = not (trained or (plain and (plain[0] not in common or others)))
        return [] if self._is_open else self.rest()

    def rest(self) -> list[Evaluation]:
        """What is still held back: to be recorded when nothing more will end."""
        held, self._held = self._held, []
        return held

    def _error(self, reason: str) -> StudyError:
        return StudyError(
            f"every network fails alike, the one without attention too: {reason}",
            file=self._file,
            remedy="mend the cause and give the same command again; none of these failures is on record",
        )


def _may_be_common(row: Evaluation) -> bool:
    """Whether a row is a failure that may be of every network."""
    return row.outcome == Outcome.FAILED and not _OF_ONE_DESIGN.search(row.reason or "")


def _words(row: Evaluation) -> str:
    """Why a row failed, without the numbers, which differ from network to network."""
    return _NUMBER.sub("#", row.reason or "")
