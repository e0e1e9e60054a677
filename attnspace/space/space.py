"""A space of designs: JSON with holes, to count, draw from, enumerate, search and look things up in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial
from pydantic import BaseModel

from attnspace.documents.document import Document
from attnspace.documents.families import refresh
from attnspace.documents.limits import check_limits
from attnspace.documents.reading import read
from attnspace.documents.validation import did_you_mean, some_of
from attnspace.errors import AttnspaceError, SpaceError
from attnspace.language.identity import identity
from attnspace.language.specs import SpecFile, SpecLike, as_block, dump_spec, parse_spec_file
from attnspace.primitives import Block
from attnspace.space import filling as fillings
from attnspace.space.coverage import check_options
from attnspace.space.filling import Answer, Filling
from attnspace.space.holes import compile_template
from attnspace.space.membership import matches
from attnspace.space.template import Interval, Parameter, parameters

__all__ = ["Filling", "Space", "load_space"]


class Space:
    """A space of designs: JSON data with holes, compiled.

    Args:
        data: the JSON data.
        models: further models whose defaults may be left out of data that is looked up, besides those of specs.

    Raises:
        SpaceError: a hole is faulty.
    """

    def __init__(self, data: Any, models: Sequence[type[BaseModel]] = ()) -> None:
        refresh()
        check_limits(data, SpaceError)
        self.data = data
        self.template = compile_template(data)
        self._models = tuple(models)

    def size(self) -> int | float:
        """How many ways there are to fill the holes, exactly; infinite if one of them is `$float`.

        At least as many as there are distinct designs: two fillings may be one network.
        """
        return fillings.size(self.template)

    def holes(self) -> list[Parameter]:
        """Every hole once, outer ones first."""
        return parameters(self.template)

    def distributions(self) -> dict[str, BaseDistribution]:
        """The Optuna distribution of each hole, by name."""
        return {hole.name: _distribution(hole) for hole in self.holes()}

    def suggest(self, trial: BaseTrial) -> Filling:
        """Fill the holes by asking an Optuna trial, each under its name, inner ones where outer ones lead there."""

        def ask(hole: Parameter) -> Any:
            if isinstance(hole, Interval):
                return trial.suggest_float(hole.name, hole.low, hole.high, log=hole.log)
            if hole.integers:
                return trial.suggest_int(hole.name, *hole.integers)
            label = trial.suggest_categorical(hole.name, hole.labels)
            # A fixed trial may name an option by a value that is only equal to its label.
            return label if hole.index(label) is not None else hole.labels[hole.labels.index(label)]

        return self.filled(ask)

    def filled(self, answer: Answer) -> Filling:
        """Fill the holes with these answers: the label of an option for a hole, a number for an interval."""
        return fillings.filled(self.template, answer)

    def answered(self, choices: Mapping[str, Any]) -> Filling | None:
        """Fill the holes with these choices, by name; None if one that is asked for is missing or is no option."""
        return fillings.answered(self.template, choices)

    def sample(self, rng: random.Random) -> Filling:
        """Draw a filling uniformly from all fillings, not hole by hole; numbers of intervals uniform on their scale."""
        return fillings.filling_at(
            self.template, rng.randrange(self.template.count), lambda interval: fillings.drawn(interval, rng)
        )

    def at(self, index: int) -> Filling:
        """The filling of this index, from 0 to size() - 1.

        Raises:
            SpaceError: the space is not countable.
            IndexError: there is no such filling.
        """
        return fillings.filling_at(self.template, index)

    def enumerate(self) -> Iterator[Filling]:
        """All fillings, in order of index.

        Raises:
            SpaceError: the space is not countable.
        """
        return fillings.enumerated(self.template)

    def find(self, data: Any) -> Filling | None:
        """Find the filling that is this JSON data, with default fields written or left out; None if there is none."""
        choices = next(matches(self.template, data, self._models), None)
        return None if choices is None else self.answered(choices)

    def contains(self, spec: SpecLike | Any) -> bool:
        """Whether a spec, as a block, JSON data, a file or a published name, is a member.

        The spec is compared as it is written: another way of writing the same network is no member.

        Raises:
            SpecError: it is a name or file that is no valid spec.
        """
        data = dump_spec(as_block(spec)) if isinstance(spec, Block | SpecFile | str | Path) else spec
        return self.find(data) is not None

    def identity(self, spec: SpecLike, channels: int = 64) -> str:
        """A short hash: two members share it when they are one block at C channels; see `attnspace.identity`.

        Raises:
            SpaceError: the spec is no member of this space.
            SpecError: the spec is not valid, or not possible at C channels.
        """
        block = as_block(spec)
        data = spec if isinstance(spec, Mapping) else dump_spec(block)
        if not self.contains(data):
            raise SpaceError("is no member of this space", got=data, remedy="see attnspace.identity for any spec")
        return identity(block, channels)

    def fixed(self, settled: Mapping[str, Any]) -> Space:
        """The part of the space in which some holes, by name, have one answer.

        Raises:
            SpaceError: there is no such hole, no such option of it, or another answer excludes the hole.
        """
        known = {hole.name: hole for hole in self.holes()}
        for name, label in settled.items():
            if name not in known:
                raise SpaceError(
                    "no hole has this name", at=(name,), allowed=some_of(known), remedy=did_you_mean(name, known)
                )
            try:
                fillings.valid_answer(known[name], settled)
            except LookupError:
                raise SpaceError(
                    "is no option of this hole", at=(name,), got=label, allowed=_allowed(known[name])
                ) from None
        template = self.template
        for hole in self.holes():  # outer ones first
            if hole.name in settled:
                if hole.name not in {left.name for left in parameters(template)}:
                    raise SpaceError(
                        "is never asked: another hole that is fixed excludes it", at=(hole.name,), remedy="remove it"
                    )
                template = fillings.settled(template, {hole.name: settled[hole.name]})
        part = Space.__new__(Space)
        part.data, part._models, part.template = self.data, self._models, template
        return part

    def neighbours(self, filling: Filling, rng: random.Random) -> Iterator[Filling]:
        """Every filling that answers one hole differently, in random order; an interval is answered once more.

        Holes that are asked only after the change are answered at random.
        """
        changes: list[tuple[str, Any]] = []
        for hole in self.holes():
            if hole.name not in filling.choices:
                continue
            if isinstance(hole, Interval):
                changes.append((hole.name, hole.at(rng.random())))
            else:
                here = hole.index(filling.choices[hole.name])
                changes += [(hole.name, label) for i, label in enumerate(hole.labels) if i != here]
        rng.shuffle(changes)
        for name, label in changes:
            yield fillings.near(self.template, {**filling.choices, name: label}, rng)

    def check(self, use: Callable[[Filling], object]) -> None:
        """Check that each option of each hole is part of some filling that `use` accepts.

        For a hole made by `$any` one such option is enough; of an interval, both ends are tried. All fillings are tried
        where there are up to 500 of them, else up to 200 random ones for each option.

        Raises:
            AttnspaceError: an option has no accepted filling among those tried; it is the first refusal.
        """
        check_options(self.template, use)


def load_space(path_or_data: str | Path | Document | Mapping[str, Any]) -> Space:
    """Load the space of blocks, or of designs, of a JSON or YAML file, of a document or of data.

    Every option is tried for validity, as `Space.check` does it; whether a block is possible at the channel counts in
    use is not looked at.

    Raises:
        SpaceError: a hole is faulty; the error names its path.
        SpecError: an option is part of no valid block; the error names the path of the fault.
    """
    if isinstance(path_or_data, Mapping):
        return _of_specs(path_or_data)
    document = path_or_data if isinstance(path_or_data, Document) else read(path_or_data, SpaceError)
    try:
        return _of_specs(document.data)
    except AttnspaceError as error:
        raise document.place(error) from None


def _of_specs(data: Any) -> Space:
    """The space of data whose fillings are spec files."""
    space = Space(data)
    space.check(lambda filling: parse_spec_file(filling.data))
    return space


def _distribution(hole: Parameter) -> BaseDistribution:
    """The Optuna distribution of a hole."""
    if isinstance(hole, Interval):
        return FloatDistribution(hole.low, hole.high, log=hole.log)
    return IntDistribution(*hole.integers) if hole.integers else CategoricalDistribution(hole.labels)


def _allowed(hole: Parameter) -> str:
    """The answers that a hole allows, in words."""
    if isinstance(hole, Interval):
        return f"{hole.low:g} to {hole.high:g}"
    return f"{hole.integers[0]} to {hole.integers[1]}" if hole.integers else some_of(hole.labels)
