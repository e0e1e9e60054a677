"""What designs cost, found before any is trained, and whether that is within the study's limits."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import torch

from attnspace.costs.declaration import DesignCosts
from attnspace.costs.latency import Latency, latency
from attnspace.costs.measured import cost_columns, declared, measure
from attnspace.costs.network import network_cost
from attnspace.costs.probe import Probe, look
from attnspace.costs.quick_shapes import QuickShapes
from attnspace.costs.subject import Subject
from attnspace.errors import AttnspaceError, PlacementError, RunFailed, SpecError, StudyError
from attnspace.objective.limits import Excess
from attnspace.placement.insertion import insert_at
from attnspace.placement.watch import watch_blocks
from attnspace.record.evaluation import Evaluation, Role
from attnspace.record.ledger import Ledger
from attnspace.space.space import Filling
from attnspace.study.design import Design
from attnspace.study.study import Study, inputs_for
from attnspace.workers.devices import devices
from attnspace.workers.job import Job, describe

__all__ = ["Feasibility"]

PROBES = 400
PROBE_SECONDS, REPAIR_SECONDS = 3.0, 1.5
SMALLER_BACKBONE = "raise the limit, or take a smaller backbone"


class Feasibility:
    """The costs of a study's designs, each found once, and whether they are within the limits.

    Args:
        study: whose designs.
        ledger: where latencies are kept, so that a resumed search decides alike.
    """

    def __init__(self, study: Study, ledger: Ledger | None = None) -> None:
        self._study = study
        self._ledger = ledger
        self._known: dict[str, DesignCosts] = {}
        self._recorded: dict[str, DesignCosts] = {}
        self._plain: Probe | None = None
        self._limits = study.config.objective.subject_to

    def costs(self, design: Design) -> DesignCosts:
        """What the whole network costs with the design in it: column -> value."""
        identity = design.identity
        if identity not in self._known:
            recorded = self._study.method.costs(identity) or self._recorded.get(identity)
            self._known[identity] = self._measured(design) if recorded is None else recorded
        return self._known[identity]

    def recall(self, rows: Iterable[Evaluation]) -> None:
        """Take over what trials were found to cost when they were trained; not where a cost was not measured then.

        Baselines are measured again: limits of new designs are ratios to the plain network as it is measured today.
        """
        timed = self._study.config.objective.times
        asked = [name for name, cost in cost_columns().items() if timed or not cost.timed]
        self._recorded |= {
            row.design: row.costs
            for row in rows
            if row.role == Role.TRIAL and all(row.costs.get(name) is not None for name in asked)
        }

    def with_costs(self, job: Job) -> Job:
        """A job with the costs of its design, or why they cannot be found: a result of the job."""
        try:
            return replace(job, costs=self.costs(job.design))
        except (RunFailed, StudyError):  # the ledger cannot be written, or a cost not be measured: of no design
            raise
        except Exception as error:  # whatever a network of the user's raises
            return replace(job, fault=describe(error))

    def excesses(self, design: Design) -> list[Excess]:
        """The limits that a design does not meet, the worst first."""
        if not self._limits.names:
            return []
        return self._limits.excesses(self.costs(design), self.costs(self._study.plain))

    def allows(self, design: Design) -> bool:
        """Whether a design meets the limits, and can be built so that its costs are found."""
        try:
            return not self.excesses(design)
        except (SpecError, PlacementError):
            return False

    def _measured(self, design: Design) -> DesignCosts:
        subject = Subject(partial(self._probe, design), partial(self._timed, design))
        return measure(subject, timed=self._study.config.objective.times)

    @contextmanager
    def _probe(self, design: Design) -> Iterator[Probe]:
        """A copy of the network that is run for its shapes, without building the backbone anew: blocks are put into one
        that is kept, and taken out again.
        """
        if design.backbone is not None:
            yield self._runnable(design)
            return
        if self._plain is None:
            self._plain = self._runnable(self._study.plain)
        plain = self._plain.model
        sites = {name: plain.get_submodule(name) for name in design.plan}
        on_meta = (torch.device("meta"), QuickShapes()) if self._plain.is_meta else ()
        try:
            with ExitStack() as stack:
                for context in (torch.random.fork_rng(devices=[]), *on_meta):
                    stack.enter_context(context)
                insert_at(plain, design.plan, self._study.slots)
            yield self._plain
        finally:  # also where a later block is too large to be built
            for name, site in sites.items():
                plain.set_submodule(name, site)

    def _runnable(self, design: Design) -> Probe:
        """A copy of a network with a design: on the meta device if it can be trained there, else with real numbers."""
        network = self._study.spare_network(design)

        def trained(probe: Probe) -> Probe:
            network_cost(probe)
            return probe

        return look(network, inputs_for(network, self._study.data), trained)

    def _timed(self, design: Design) -> Latency:
        kept = self._ledger.timing(design.identity) if self._ledger else None
        if kept is None:
            with torch.random.fork_rng(devices=[]):  # nothing here may change what a training draws
                device = devices(self._study.config.search.device)[0]
                network = self._study.network(design).to(device)
                kept = latency(network, inputs_for(network, self._study.data).given)
            if self._ledger:
                self._ledger.add_timing(design.identity, kept)
        return kept

    def rehearse(self) -> tuple[str, ...]:
        """Find the costs of every baseline and of one design of the space, and try whether two networks can be trained.

        Returns:
            what the user should know of them, in sentences.

        Raises:
            AttnspaceError: one cannot be run: then none could be trained.
        """
        study = self._study
        if study.method.is_lookup:
            return ()
        _check_repeatable(study)
        drawn = self._one_of_the_space()
        for design in (*study.baselines, *drawn):
            with _of_backbone(study, design):
                self.costs(design)
        notes: dict[str, None] = {}
        for design in (study.plain, *drawn):
            with _of_backbone(study, design), torch.random.fork_rng(devices=[]):
                network = study.network(design)
                watch_blocks(network, design.plan)
                notes |= dict.fromkeys(study.method.rehearse(network, study.data))
        return tuple(notes)

    def _one_of_the_space(self) -> list[Design]:
        """A random design of the space that can be built and meets the limits; none if 20 draws give none."""
        rng = random.Random(0)
        for _ in range(20):
            try:
                design = self._study.design(self._study.space.sample(rng))
            except (SpecError, PlacementError):
                continue
            if self.allows(design):
                return [design]
        return []

    def excesses_of(self, filling: Filling) -> list[Excess] | None:
        """The limits that a filling does not meet; None if it is no valid design."""
        try:
            return self.excesses(self._study.design(filling))
        except (SpecError, PlacementError):
            return None

    def repaired(self, filling: Filling, rng: random.Random, until: float = math.inf) -> Filling | None:
        """A filling within the limits, reached by changing one hole at a time to what exceeds them less.

        Returns:
            None if no single change helps any more, or at the time `until` of the monotonic clock.
        """
        lightest, excesses = self._lightened(filling, rng, until)
        return lightest if excesses == [] else None

    def _lightened(self, filling: Filling, rng: random.Random, until: float) -> tuple[Filling, list[Excess] | None]:
        """Make a filling lighter as far as single changes go, and say which limits it still exceeds."""
        excesses = self.excesses_of(filling)
        while excesses != [] and (better := self._lighter(filling, excesses, rng, until)) is not None:
            filling, excesses = better
        return filling, excesses

    def _lighter(
        self, filling: Filling, excesses: list[Excess] | None, rng: random.Random, until: float
    ) -> tuple[Filling, list[Excess]] | None:
        worst = excesses[0].ratio if excesses else float("inf")
        for changed in self._study.space.neighbours(filling, rng):
            if time.monotonic() > until:
                return None
            found = self.excesses_of(changed)
            if found is not None and (not found or found[0].ratio < worst):
                return changed, found
        return None

    def require_feasible(self) -> None:
        """Check that some design of the space meets the limits.

        A space of up to 400 fillings is gone through. In a larger one, or one that takes longer than 3 seconds, random
        designs are tried, and the lightest of them is made lighter as far as that goes, for 1.5 seconds more.

        Raises:
            StudyError: none was found.
        """
        if not self._limits.names:
            return
        beyond = [excess for excess in self._excesses_of_plain() if excess.name not in _timed_names()]
        if beyond:  # blocks only add to it
            raise StudyError(
                f"nothing meets the limits; the backbone alone has {beyond[0]}",
                at=("objective", "subject_to"),
                remedy=SMALLER_BACKBONE,
                file=self._study.file,
            )
        space, rng, until = self._study.space, random.Random(0), time.monotonic() + PROBE_SECONDS
        whole = space.size() <= PROBES
        order = rng.sample(range(space.template.count), space.template.count) if whole else range(PROBES)
        tried = 0
        lightest: tuple[Filling, list[Excess]] | None = None
        for index in order:
            if time.monotonic() > until:
                whole = False
                break
            filling = space.at(index) if whole else space.sample(rng)
            excesses = self.excesses_of(filling)
            if excesses == []:
                return
            if excesses:
                tried += 1
                if lightest is None or excesses[0].ratio < lightest[1][0].ratio:
                    lightest = filling, excesses
        if lightest and not whole:
            filling, excesses = self._lightened(lightest[0], rng, time.monotonic() + REPAIR_SECONDS)
            if not excesses:
                return
            lightest = filling, excesses
        raise self._nothing_meets(whole, tried, lightest)

    def _excesses_of_plain(self) -> list[Excess]:
        """The limits that the backbone alone does not meet, the worst first."""
        plain = self.costs(self._study.plain)
        return self._limits.excesses(plain, plain)

    def _nothing_meets(self, whole: bool, tried: int, lightest: tuple[Filling, list[Excess]] | None) -> StudyError:
        how_many = (
            f"none of the space's {tried} designs"
            if whole
            else f"none of {tried} random designs, nor one made lighter,"
        )
        error = StudyError(f"{how_many} meets the limits", at=("objective", "subject_to"), file=self._study.file)
        if beyond := self._excesses_of_plain():
            error.what += f"; the backbone alone has {beyond[0]}"
            error.remedy = SMALLER_BACKBONE
        elif lightest:
            error.what += f"; the lightest has {' and '.join(map(str, lightest[1]))}"
            error.remedy = "raise the limit, or open the space to lighter blocks and fewer places"
        return error


def _check_repeatable(study: Study) -> None:
    """Check that the backbone is the same network each time that it is made.

    Raises:
        StudyError: it is not: then no two trainings could be compared.
    """
    with _of_backbone(study, study.plain):
        first, second = (
            {name: tuple(value.shape) for name, value in study.spare_network(study.plain).state_dict().items()}
            for _ in range(2)
        )
    if other := sorted(first.items() ^ second.items()):
        raise StudyError(
            "the network is another one each time that it is made, so that designs could not be compared",
            at=("backbone",),
            file=study.file,
            got=f"{other[0][0]} {list(other[0][1])} in one of two",
            allowed="the same weights by names and shapes; what is drawn at random is their values, from torch",
        )


@contextmanager
def _of_backbone(study: Study, design: Design) -> Iterator[None]:
    """A context whose errors say that they are of the study's backbone, and with which design."""
    try:
        yield
    except AttnspaceError as error:
        error.file = error.file or study.file
        error.at = ("backbone", *error.at)
        error.what += _with(design)
        raise
    except Exception as cause:  # whatever the code of a network raises
        raise StudyError(
            f"the network cannot be made or run: {type(cause).__name__}: {cause}{_with(design)}",
            at=("backbone",),
            file=study.file,
        ) from cause


def _with(design: Design) -> str:
    return f" (with {design.label}, {design.place})" if design.plan else ""


def _timed_names() -> set[str]:
    """The costs that are times: a block may make a network faster."""
    return {name for name, cost in declared().items() if cost.timed}
