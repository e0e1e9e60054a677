"""The plan of a confirmation: made before its first training, and binding from its first look on.

Once something is trained it is planned for no fewer seeds: a confirmation does not end when one likes what one sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attnspace.analysis.significance import FEWEST
from attnspace.analysis.verdict import confirmation
from attnspace.errors import RunError
from attnspace.record.evaluation import Role
from attnspace.record.ledger import Ledger
from attnspace.record.plan import ConfirmationPlan
from attnspace.record.results import Results, load
from attnspace.study.study import Study

__all__ = ["FRESH", "planned"]

FRESH = 1_000_000
"""Seeds of a confirmation begin so far above the search's."""


def planned(
    study: Study,
    results: Results,
    ledger: Ledger,
    note: Callable[[str], None],
    *,
    top: int | None,
    seeds: int | None,
    again: bool,
) -> ConfirmationPlan:
    """The plan that is in force, made first where there is none.

    Args:
        study: whose designs.
        results: the run.
        ledger: where plans are kept.
        note: hears what the user should know.
        top: how many of the best designs; None leaves it to an earlier plan, else to the study.
        seeds: how many fresh seeds, alike.
        again: whether a new confirmation begins, on seeds that the ones before it did not have.

    Raises:
        RunError: there is no finished trial, or another plan is asked for after a first look.
    """
    earlier = [plan for plan in ledger.plans() if plan.protocol == study.protocol]
    if not earlier or again:
        wanted = _begun(study, results, earlier, note, top=top, seeds=seeds, again=again)
        ledger.add_plan(wanted)
        return wanted
    before = earlier[-1]
    _note_newer(results, before, note)
    if top is None and seeds is None:
        _note_changes(study, before, note)
        return before
    first = before.seeds[0] - study.seed(FRESH)
    wanted = _made(study, results, top or len(before.designs), seeds or len(before.seeds), first=first)
    if (len(wanted.seeds), len(wanted.designs)) == (len(before.seeds), len(before.designs)):
        _note_changes(study, before, note)
        return before
    _check_may_change(before, wanted, results)
    wanted = replace(wanted, splits=before.splits)  # some of it may be trained already
    ledger.add_plan(wanted)
    return wanted


def _check_may_change(before: ConfirmationPlan, wanted: ConfirmationPlan, results: Results) -> None:
    """Refuse another plan after a look, and one for fewer seeds once something is trained."""
    looked, begun = _looked(results), any(seed in before.seeds for seed in results.confirmed()["seed"])
    if looked or (begun and len(wanted.seeds) < len(before.seeds)):
        state = "has been looked at" if looked else "has begun"
        raise RunError(
            f"the confirmation {state}, so that its plan is binding",
            file=str(results.path),
            got=f"{len(wanted.designs)} designs, {len(wanted.seeds)} seeds",
            allowed=f"{len(before.designs)} designs, {len(before.seeds)} seeds, looks at {_list(before.looks)}",
            remedy="leave --top and --seeds out to go on with it, or begin a new one on other seeds with --again",
        )


def _begun(
    study: Study,
    results: Results,
    earlier: list[ConfirmationPlan],
    note: Callable[[str], None],
    *,
    top: int | None,
    seeds: int | None,
    again: bool,
) -> ConfirmationPlan:
    """A new plan, on seeds that none of the earlier ones had, nor a confirmation without a plan."""
    used = {seed for plan in earlier for seed in plan.seeds} | _seeds_without_a_plan(results, earlier)
    if again:
        _check_ended(results)
    elif used:
        note(f"an earlier version confirmed this run without a plan; its {len(used)} seeds are not used again")
    _note_unfinished(study, results, note)
    wanted = _made(study, results, top, seeds, first=len(used))
    if len(wanted.seeds) < FEWEST:
        many = f"{len(wanted.seeds)} seeds are too few to claim anything, and test images are looked at all the same"
        note(f"{many}; {FEWEST} at least can tell something")
    if wanted.splits == "same" and study.config.confirm.splits == "fresh" and len(study.data.train):
        note("all seeds have the same training and validation images, since the source says which ones validate")
    return wanted


def _made(study: Study, results: Results, top: int | None, seeds: int | None, *, first: int) -> ConfirmationPlan:
    settings = study.config.confirm
    many = seeds or settings.seeds
    ranked = results.ranked()
    trials = ranked[ranked["role"] == Role.TRIAL].head(top or settings.top)
    if trials.empty:
        raise RunError("has no finished trial to confirm", file=str(results.path), remedy="search first")
    designs = tuple({name: row[name] for name in ("design", "spec", "choices")} for _, row in trials.iterrows())
    splits = "fresh" if settings.splits == "fresh" and study.data.is_drawn else "same"
    fresh = tuple(study.seed(FRESH + first + number) for number in range(many))
    return ConfirmationPlan(study.protocol, fresh, settings.planned_looks(many), settings.margin, splits, designs)


def _seeds_without_a_plan(results: Results, plans: list[ConfirmationPlan]) -> set[int]:
    """The seeds of a confirmation that an earlier version made, without a plan: they have been looked at."""
    return set() if plans else {int(seed) for seed in results.confirmed()["seed"].unique()}


def _looked(results: Results) -> bool:
    """Whether a look has been taken at which something might have been claimed."""
    found = confirmation(load(results.path))
    return found is not None and found.looked >= FEWEST


def _check_ended(results: Results) -> None:
    found = confirmation(load(results.path))
    if found is not None and not found.ended:
        raise RunError(
            "its confirmation has not ended",
            file=str(results.path),
            remedy="go on with it, without --again; what it comes to does not depend on another one",
        )


def _note_changes(study: Study, plan: ConfirmationPlan, note: Callable[[str], None]) -> None:
    """Say where the study asks for another confirmation than the one that goes on."""
    settings = study.config.confirm
    planned = len(plan.designs), plan.looks, plan.margin
    if planned != (settings.top, settings.planned_looks(settings.seeds), settings.margin):
        note(
            f"the confirmation goes on as it was planned, with {len(plan.designs)} designs, looks at "
            f"{_list(plan.looks)} seeds and margin {plan.margin}; the study says otherwise"
        )


def _note_unfinished(study: Study, results: Results, note: Callable[[str], None]) -> None:
    """Say that a search is to be confirmed which has not come to its end."""
    searched, asked = results.searched, study.config.search.trials
    found = searched.loc[searched["role"] == Role.TRIAL, "design"].nunique()
    if found < min(asked, study.space.size()):
        note(
            f"the search has {found} of the {asked} designs that the study asks for, and its best by now are "
            "confirmed: that is right where the space holds no more, and else too early"
        )


def _note_newer(results: Results, plan: ConfirmationPlan, note: Callable[[str], None]) -> None:
    """Say that other designs lead the search by now than those that are confirmed."""
    ranked = results.ranked()
    leading = ranked[ranked["role"] == Role.TRIAL].head(len(plan.designs))
    newer = leading[~leading["design"].isin([design["design"] for design in plan.designs])]
    if len(newer):
        first = f"{newer['label'].iloc[0]} [{newer['placement'].iloc[0]}]"
        note(
            f"the confirmation is of the designs that led when it was planned; {first} is among the best by now, and "
            "not among them; when it has ended, --again begins another one"
        )


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
