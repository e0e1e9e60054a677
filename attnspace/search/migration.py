"""Taking the results of an earlier run over into a changed study.

Data, backbone and training have to be the same: then an evaluation is what the changed study would have measured. What
is no member of the changed space, or beyond its limits, stays behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from attnspace.errors import AttnspaceError, RunError, join_path, shown
from attnspace.record.evaluation import Evaluation, Outcome, Phase, Role
from attnspace.record.kept import LEDGER_FILE, require_ledger
from attnspace.record.ledger import Ledger, opened_copy
from attnspace.record.results import load
from attnspace.search.feasibility import Feasibility
from attnspace.space.space import Filling
from attnspace.study.design import Design
from attnspace.study.run_directory import RunDirectory, comparable, differences
from attnspace.study.study import Study
from attnspace.workers.threads import threads

__all__ = ["Migration", "migrate"]


@dataclass(frozen=True)
class Migration:
    """How much was taken over, and what stayed behind.

    Attributes:
        taken: evaluations.
        trials: trials that they are of.
        left: reason -> how many evaluations stayed behind.
    """

    taken: int
    trials: int
    left: Mapping[str, int]


def migrate(study: Study, earlier: Path, place: RunDirectory) -> Migration:
    """Copy what fits of the run `earlier` into the new run `place` of the changed study.

    Raises:
        RunError: the earlier run was trained otherwise, or the new one is not empty.
        RunFailed: a ledger cannot be read or written.
    """
    require_ledger(earlier, "a migration")
    was, now = comparable(load(earlier).study), study.config.plain()
    for at, before, after in differences(was, now):
        if at[0] in ("data", "backbone", "train") or at == ("search", "seed"):
            raise RunError(
                f"was trained otherwise: {join_path(at)} is {shown(before)} there and {shown(after)} in the study",
                file=str(earlier),
                allowed="the same data, backbone, train and search.seed",
                remedy="search anew: results of another training say nothing here",
            )
    if place.ledger_file.exists():
        raise RunError("holds a run already", file=str(place.path), remedy="choose another directory with --to")
    with opened_copy(earlier / LEDGER_FILE) as old:
        rows, timings = old.rows(), old.timings()
    if others := [row.protocol for row in rows if row.protocol != study.protocol]:
        raise RunError(
            f"was trained on other images or by other code than the study's: protocol {others[0]}, "
            f"here {study.protocol}",
            file=str(earlier),
            remedy="search anew: results of another training say nothing here",
        )
    with place.opened(study):
        ledger = Ledger(place.ledger_file)
        for design, found in timings.items():
            ledger.add_timing(design, found)
        with threads(study.config.search.threads):  # latencies may have to be measured
            kept, left = _fitting(study, rows, Feasibility(study, ledger))
        for row in kept:
            ledger.add(row)
        ledger.close()
    trials = {row.trial for row in kept if row.role == Role.TRIAL and row.phase == Phase.SEARCH}
    return Migration(len(kept), len(trials), left)


def _fitting(study: Study, rows: list[Evaluation], feasibility: Feasibility) -> tuple[list[Evaluation], Counter[str]]:
    kept: list[Evaluation] = []
    left: Counter[str] = Counter()
    numbers: dict[str, int] = {}
    baselines = {design.identity: design for design in study.baselines}
    for row in rows:
        if row.phase != Phase.SEARCH:
            left["of the earlier run's confirmation"] += 1
            continue
        if row.outcome == Outcome.FAILED:
            left["failed, to be tried again"] += 1
            continue
        if row.role == Role.BASELINE:
            if row.design in baselines:
                kept.append(_costed(row, baselines[row.design], study, feasibility))
            else:
                left["not among the study's baselines"] += 1
            continue
        design = None if row.design in baselines else _member(study, row)
        if design is None:
            left["not in the study's space"] += 1
        elif row.epochs not in {rung.epochs for rung in study.rungs} or row.seed not in study.seeds:
            left["where the study has no rung"] += 1
        elif feasibility.excesses(design):
            left["beyond the study's limits"] += 1
        else:
            number = numbers.setdefault(row.design, len(numbers))
            row = replace(row, trial=number, choices=dict(design.choices))
            kept.append(_costed(row, design, study, feasibility))
    return kept, left


def _costed(row: Evaluation, design: Design, study: Study, feasibility: Feasibility) -> Evaluation:
    """The row as the study would have written it: it may ask for costs that the earlier one did not."""
    return replace(row, protocol=study.protocol, costs=feasibility.costs(design))


def _member(study: Study, row: Evaluation) -> Design | None:
    """The design of a row as the study's space has it."""
    for filling in (study.space.answered(row.choices), study.space.find(row.spec)):
        design = _designed(study, filling) if filling else None
        if design is not None and design.identity == row.design:
            return design
    return None


def _designed(study: Study, filling: Filling) -> Design | None:
    try:
        return study.design(filling)
    except AttnspaceError:
        return None
