"""The recommendation of a confirmation: one design, baseline or the plain network, in numbers and in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attnspace.analysis.decision import Decision, Outcome
from attnspace.analysis.intervals import NONE, Interval
from attnspace.analysis.significance import FEWEST
from attnspace.placement.placement import Placement

__all__ = ["Recommendation", "Subject", "p_text", "percent", "points", "recommended", "where"]

POSITIONS = {
    "pre": "at the input of the blocks",
    "conv1": "before the first convolution",
    "conv2": "before the second convolution",
    "conv3": "before the third convolution",
    "expand": "after the expansion",
    "depthwise": "after the depthwise convolution",
    "residual": "before the addition",
    "post_add": "after the addition",
    "identity": "on the shortcut",
}
"""The positions of the built-in backbones in words; those of adapters are called by their names."""

PLAIN = "the plain network"
PLANNED = 10
"""The seeds that are advised where there are too few."""


@dataclass(frozen=True)
class Subject:
    """What is recommended, or compared.

    Attributes:
        name: what tables call it.
        design: the identity of the network.
        kind: `design`, `published` (a baseline with a block) or `plain`.
        label: the block in short.
        spec: `{block, placement}` as JSON data.
        costs: what it needs more than the plain network, as a share of that: `parameters`, `FLOPs`, and `time` where
            it was measured.
    """

    name: str
    design: str
    kind: str
    label: str
    spec: Mapping[str, Any]
    costs: Mapping[str, float]

    @property
    def called(self) -> str:
        """What sentences call it."""
        if self.kind == "plain":
            return PLAIN
        return f"the published block {self.name}" if self.kind == "published" else self.label

    @property
    def placed(self) -> str:
        """The block and where it stands; of the plain network its name."""
        return PLAIN if self.kind == "plain" else f"{self.called} {where(self.spec['placement'])}"


@dataclass(frozen=True)
class Recommendation:
    """What a confirmation comes to. Terminal, page, `winner.json` and `attnspace.confirm_run` share it.

    Attributes:
        outcome: `use` the subject, `keep` it instead of the confirmed designs, or `undecided`.
        subject: what is recommended; while nothing is settled, the confirmed design with the best mean.
        against: what the subject was compared with; None if nothing can be compared.
        n: the seeds that both have.
        difference: mean of the subject minus mean of `against`, in units of the metric; NaN if there is none.
        interval: of the difference.
        p: corrected: of the claim that `use` makes, or where a published block is kept of its being better than the
            plain network; None where nothing of the kind is claimed.
        sentence: all of it in words.
    """

    outcome: Outcome
    subject: Subject
    against: Subject | None
    n: int
    difference: float
    interval: Interval
    p: float | None
    sentence: str


def recommended(
    decision: Decision,
    subjects: Mapping[str, Subject],
    compared: Mapping[tuple[str, str], tuple[int, float, Interval, float | None]],
    *,
    seeds: int,
    planned: int,
    ended: bool,
    margin: float | None,
) -> Recommendation | None:
    """Put a decision into words.

    Args:
        decision: what the latest look says.
        subjects: name -> who it is.
        compared: a pair of names -> n, difference, interval and corrected p-value.
        seeds: how many have been looked at.
        planned: how many were planned.
        ended: whether the confirmation has ended.
        margin: of practical sameness, in points.

    Returns:
        None where no design has a score.
    """
    if decision.best is None or decision.name is None:
        return None
    best, subject = subjects[decision.best], subjects[decision.name]
    rival = subjects[decision.against] if decision.against else None
    n, difference, interval, p = compared.get((decision.best, decision.against or ""), (0, math.nan, NONE, None))
    if decision.outcome == "undecided":
        said = _undecided(decision, best, rival, _found(n, difference, interval, p), seeds, planned, ended)
        return Recommendation("undecided", best, rival, n, difference, interval, decision.p, said)
    assert rival is not None
    if subject == best:
        return _use(decision, best, rival, (n, difference, interval), margin)
    return _keep(decision, subject, best, rival, compared, subjects, margin)


def _use(
    decision: Decision,
    best: Subject,
    rival: Subject,
    found: tuple[int, float, Interval],
    margin: float | None,
) -> Recommendation:
    n, difference, interval = found
    if decision.reason == "same":
        lead = f"practically the same as {rival.called} (less than {margin:g} points apart), with fewer parameters"
    else:
        lead = f"{_found(n, difference, interval, None)} against {_best_baseline(rival)}"
        lead += f"; it beats every baseline, p{p_text(decision.p or 0.0)}"
    sentence = f"Use {best.placed}: {lead}, for {_costs(best)} against the plain network."
    if decision.reason == "better" and interval and interval.low <= 0 and "images" in interval.name:
        sentence += " This holds for these test images; with others it might not."
    return Recommendation("use", best, rival, n, difference, interval, decision.p, sentence)


def _keep(
    decision: Decision,
    kept: Subject,
    best: Subject,
    rival: Subject,
    compared: Mapping[tuple[str, str], tuple[int, float, Interval, float | None]],
    subjects: Mapping[str, Subject],
    margin: float | None,
) -> Recommendation:
    n, difference, interval, p = compared.get((best.name, rival.name), (0, math.nan, NONE, None))
    seen = f"{best.placed}, is at {_found(n, difference, interval, p)}"
    if decision.reason == "same":
        why = f"the best confirmed design, {best.placed}, is practically the same (less than {margin:g} points apart)"
        cheaper = best.costs.get("parameters", 0.0) < kept.costs.get("parameters", 0.0)
        but = "is not shown to be better than the plain network" if cheaper else "has no fewer parameters"
        why += f" and {but}: {_found(n, difference, interval, None)}"
    else:
        why = f"no confirmed design beats {_best_baseline(rival)}; the best of them, {seen}"
    verb = "Keep" if kept.kind == "plain" else "Use"
    sentence = f"{verb} {kept.placed}: {why}."
    against: Subject | None = best
    n, difference, interval, p = n, -difference, Interval(-interval.high, -interval.low, interval.name), None
    plain = next((subject for subject in subjects.values() if subject.kind == "plain"), None)
    if kept.kind == "published" and plain is not None and (kept.name, plain.name) in compared:
        n, difference, interval, p = compared[kept.name, plain.name]
        against = plain
        lead = _found(n, difference, interval, p)
        sentence += f" It gives {lead} against the plain network, for {_costs(kept)}."
    elif rival != kept:
        sentence += f" {_upper(rival.called)} is not shown to be better than the plain network."
        n, difference, interval, p = compared.get((best.name, kept.name), (n, math.nan, NONE, None))
        difference, interval, p = -difference, Interval(-interval.high, -interval.low, interval.name), None
    return Recommendation("keep", kept, against, n, difference, interval, p, sentence)


def _undecided(
    decision: Decision, best: Subject, rival: Subject | None, found: str, seeds: int, planned: int, ended: bool
) -> str:
    if decision.reason in ("few", "nothing") and not (seeds >= FEWEST or not ended):
        more = max(PLANNED, FEWEST) - seeds
        return (
            f"Undecided: {seeds} seeds are too few to claim anything; {more} more seeds would tell: "
            f"attnspace confirm RUN --seeds {seeds + more}."
        )
    if not ended:
        return (
            f"Undecided: the confirmation has not ended, {seeds} of {planned} seeds have been looked at. Go on with: "
            "attnspace confirm RUN."
        )
    if rival is None or decision.reason != "open":
        return "Undecided: too many trainings failed for a comparison."
    lead = f"Undecided after {seeds} seeds: {best.placed} is at {found} against {_best_baseline(rival)}"
    if decision.needed is None:
        return f"{lead}; not even 1,000 seeds would tell a difference of this size."
    needed = max(decision.needed, seeds + 1)
    return f"{lead}; about {needed} fresh seeds would tell: attnspace confirm RUN --again --seeds {needed}."


def where(placement: Mapping[str, Any]) -> str:
    """A placement in words: `after the addition in stages 2 and 3`."""
    found = Placement.model_validate({k: tuple(v) if isinstance(v, list) else v for k, v in placement.items()})
    stages = [str(stage) for stage in found.stages or ()]
    named = "all stages" if not stages else f"stage {stages[0]}" if len(stages) == 1 else f"stages {_listed(stages)}"
    said = f"{POSITIONS.get(found.position, f'at position {found.position}')} in {named}"
    if found.every > 1:
        nth = {2: "second", 3: "third"}.get(found.every, f"{found.every}th")
        said += f", in every {nth} block"
    return f"{said}, beginning as the identity" if found.start == "identity" else said


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _costs(subject: Subject) -> str:
    return _listed(
        [f"{percent(share)} {what}" for what, share in subject.costs.items()] or ["costs that are not known"]
    )


def percent(share: float) -> str:
    """A share as signed percent with as many digits as it needs."""
    number = 100 * share
    return f"{number:+.2f}%" if abs(number) < 1 else f"{number:+.1f}%" if abs(number) < 10 else f"{number:+.0f}%"


def _found(n: int, difference: float, interval: Interval, p: float | None) -> str:
    """A difference with interval, p-value and number of seeds."""
    ends = f" ({points(interval.low)} to {points(interval.high)}, {interval.name})" if interval else ""
    tested = "" if p is None else f", p{p_text(p)}"
    return f"{100 * difference:+.2f} points{ends}{tested}, n={n}"


def _best_baseline(rival: Subject) -> str:
    return f"the best baseline, {rival.called if rival.kind == 'plain' else rival.name}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def points(difference: float) -> str:
    """A difference of shares in points."""
    return f"{100 * difference:.2f}"


def p_text(p: float) -> str:
    """A p-value with its sign, as it stands behind a p."""
    return "<0.001" if p < 0.001 else f"={p:.3f}" if p < 0.1 else f"={p:.2f}"
