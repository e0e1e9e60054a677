"""What a confirmation comes to: use a design, keep a baseline or the plain network, or undecided.

A design *beats the best baseline* when it is better than every baseline: the largest of its p-values against them is
the p-value of that (an intersection-union test: Berger, Technometrics 24, 1982). Several designs are confirmed, so
these are corrected by Holm for the number of designs. A published block is better than the plain network by its own
p-value against it, corrected by Holm for the number of published blocks.

The confirmation ends at a look at which the recommendation is settled: a design beats every baseline; or one is
practically the same as what would be kept; or all designs are given up. A design is given up while looks are to come
where its conditional power against the best baseline is below `HOPELESS`, and at the last look where its lead is less
than `SLIGHT` standard errors. Giving up is not binding: the levels hold without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from attnspace.analysis.pairs import Pairs
from attnspace.analysis.significance import ALPHA, FEWEST, holm, seeds_needed

__all__ = ["Decision", "HOPELESS", "Outcome", "SLIGHT", "Sides", "corrected", "decide"]

HOPELESS = 0.04
"""A design that would be found better with a lower probability than this is given up before the last look."""

SLIGHT = 0.5
"""Standard errors: a design whose lead is smaller at the last look is given up; with a larger one the test is open."""

Outcome = Literal["use", "keep", "undecided"]
Reason = Literal["better", "same", "futile", "open", "few", "nothing"]


@dataclass(frozen=True)
class Sides:
    """The designs that are in question, and the baselines that each of them has to beat.

    Attributes:
        designs: names of the designs in question.
        baselines: names of what they have to beat.
        plain: the name of the network without attention, one of the baselines; None if it is not there.
        sizes: name -> what it costs; of two that are practically the same the cheaper one is recommended.
    """

    designs: Sequence[str]
    baselines: Sequence[str]
    plain: str | None
    sizes: Mapping[str, float]


@dataclass(frozen=True)
class Decision:
    """What a confirmation says at a look.

    Attributes:
        outcome: `use` the design, `keep` a baseline, or `undecided`.
        reason: why: the design is `better` or practically the `same`; all are given up (`futile`); the test is `open`;
            there are too `few` seeds; `nothing` can be compared.
        name: the design or baseline that is recommended; the leader while nothing is settled.
        best: the confirmed design in question: that with the best mean of those that beat every baseline, or of all.
        rival: the best baseline by its mean.
        against: what `best` is compared with in words: the best baseline, or what is kept instead of `best`.
        p: the corrected p-value of `best` beating every baseline; None with fewer than four seeds.
        needed: seeds that find the lead over the best baseline with a power of 80%; None if it is no lead, or more
            than 1,000 are.
    """

    outcome: Outcome
    reason: Reason
    name: str | None
    best: str | None
    rival: str | None
    against: str | None
    p: float | None
    needed: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the confirmation may end."""
        return self.outcome != "undecided"


def corrected(pairs: Pairs, sides: Sides) -> dict[tuple[str, str], float]:
    """The one p-value of each pair of a design and a baseline, and of a published block and the plain network.

    The design's pairs are corrected for the number of designs: each is put in the place of the design's own p-value, so
    that the largest of a design's pairs is the p-value of its beating every baseline.
    """
    designs, baselines = pairs.usable(sides.designs), pairs.usable(sides.baselines)
    raw = {(design, baseline): pairs.p(design, baseline) for design in designs for baseline in baselines}
    whole = [_beats_all(pairs, raw, design, baselines) for design in designs]
    found: dict[tuple[str, str], float] = {}
    for place, design in enumerate(designs):
        for baseline in baselines:
            family = [*whole[:place], raw[design, baseline], *whole[place + 1 :]]
            found[design, baseline] = holm(family)[place]
    if sides.plain in baselines and sides.plain is not None:
        published = [baseline for baseline in baselines if baseline != sides.plain]
        against = holm([pairs.p(block, sides.plain) for block in published])
        found |= {(block, sides.plain): p for block, p in zip(published, against, strict=True)}
    return found


def _beats_all(pairs: Pairs, p_values: Mapping[tuple[str, str], float], design: str, baselines: Sequence[str]) -> float:
    """The p-value of a design being better than every baseline, by those of its pairs; 1 if it is behind one."""
    if not all(pairs.is_ahead(design, baseline) for baseline in baselines):
        return 1.0
    return max((p_values[design, baseline] for baseline in baselines), default=1.0)


def decide(pairs: Pairs, sides: Sides, margin: float | None = None, *, ended: bool) -> Decision:
    """What the latest look says.

    Args:
        pairs: the scores at that look.
        sides: who is compared with whom.
        margin: differences smaller than this are none in practice, in units of the scores; None makes no such claim.
        ended: whether it is the last planned look.
    """
    return _Judge(pairs, sides, margin, ended).decision()


class _Judge:
    """One look at a confirmation."""

    def __init__(self, pairs: Pairs, sides: Sides, margin: float | None, ended: bool) -> None:
        self._pairs, self._sides, self._margin = pairs, sides, margin
        self._ended = ended
        self._designs, self._baselines = pairs.usable(sides.designs), pairs.usable(sides.baselines)

    def decision(self) -> Decision:
        if not self._designs or not self._baselines:
            return self._without_a_test()
        pairs = self._pairs
        self._p = corrected(pairs, self._sides)
        beating = {design: _beats_all(pairs, self._p, design, self._baselines) for design in self._designs}
        winners = [design for design in self._designs if beating[design] <= ALPHA]
        best = max(winners or self._designs, key=pairs.mean)
        rival = max(self._baselines, key=pairs.mean)
        kept, p = self._kept(rival), beating[best]

        def found(outcome: Outcome, reason: Reason, name: str, against: str, needed: int | None = None) -> Decision:
            return Decision(outcome, reason, name, best, rival, against, p, needed)

        if self._is_same(best, kept, self._designs):
            cheap = self._costs(best) < self._costs(kept) and self._is_better_than_plain(best)
            return found("use" if cheap else "keep", "same", best if cheap else kept, kept)
        if winners:
            return found("use", "better", best, rival)
        differences = pairs.differences(best, rival)
        if len(differences) < FEWEST:  # of those that each of them has
            return found("undecided", "nothing", best, rival)
        if self._is_futile(rival):
            return found("keep", "futile", kept, rival)
        lead, sd = float(differences.mean()), float(differences.std(ddof=1))
        needed = seeds_needed(lead, sd, ALPHA / len(self._designs)) if lead > 0 else None
        return found("undecided", "open", best, rival, needed)

    def _without_a_test(self) -> Decision:
        pairs, sides = self._pairs, self._sides
        named = [name for name in sides.designs if pairs.seeds and pairs.scores[name].notna().any()]
        others = [name for name in sides.baselines if pairs.seeds and pairs.scores[name].notna().any()]
        best = max(named, key=pairs.mean, default=None)
        rival = max(others, key=pairs.mean, default=None)
        reason: Reason = "few" if best and rival and pairs.seeds < FEWEST else "nothing"
        return Decision("undecided", reason, best, best, rival, rival, None)

    def _kept(self, rival: str) -> str:
        """What is recommended where no design is: the best baseline, or the plain network, which it does not beat."""
        plain = self._sides.plain
        if plain is None or plain not in self._baselines or rival == plain:
            return rival
        better = self._pairs.is_ahead(rival, plain) and self._p[rival, plain] <= ALPHA
        published = [baseline for baseline in self._baselines if baseline != plain]
        return rival if better and not self._is_same(rival, plain, published) else plain

    def _is_same(self, name: str, other: str, family: Sequence[str]) -> bool:
        """Whether two are shown to be practically the same, corrected for all that might have been named."""
        if self._margin is None or name == other:
            return False
        found = [self._pairs.p_same(one, other, self._margin) for one in family]
        return holm(found)[list(family).index(name)] <= ALPHA

    def _is_better_than_plain(self, design: str) -> bool:
        plain = self._sides.plain
        if plain is None or plain not in self._baselines:
            return True
        return self._pairs.is_ahead(design, plain) and self._p[design, plain] <= ALPHA

    def _costs(self, name: str) -> float:
        return self._sides.sizes.get(name, float("inf"))

    def _is_futile(self, rival: str) -> bool:
        if self._ended:
            return all(self._pairs.t(design, rival) < SLIGHT for design in self._designs)
        level = ALPHA / len(self._designs)
        return all(self._pairs.conditional_power(design, rival, level) < HOPELESS for design in self._designs)
