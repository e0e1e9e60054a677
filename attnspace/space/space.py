"""A space of designs: JSON with holes, to count, draw from, enumerate, search and look things up in."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial
from pydantic import BaseModel

from attnspace.documents.families import refresh
from attnspace.documents.limits import check_limits
from attnspace.documents.reading import read
from attnspace.documents.validation import did_you_mean
from attnspace.errors import AttnspaceError, SpaceError
from attnspace.language.identity import identity
from attnspace.language.specs import SpecLike, as_block, dump_spec
from attnspace.primitives import Block
from attnspace.space.holes import Fixed, Hole, Interval, Parameter, Record, Template, compile_template, parameters
from attnspace.space.membership import matches

__all__ = ["Filling", "Space", "drawn", "load_space"]

EXHAUSTED = 500
TRIES = 200


@dataclass(frozen=True)
class Filling:
    """One member of a space.

    Attributes:
        data: the JSON data, without holes.
        params: hole name -> the option that was taken, or the number, as Optuna sees it.
    """

    data: Any
    params: Mapping[str, Any] = field(default_factory=dict)


class Space:
    """JSON data with holes, compiled.

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
        return math.inf if any(isinstance(hole, Interval) for hole in self.holes()) else self.template.count

    def holes(self) -> list[Parameter]:
        """Every hole once, outer ones first."""
        return parameters(self.template)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Hole name -> its distribution, as Optuna has it."""
        return {hole.name: hole.distribution for hole in self.holes()}

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

    def filled(self, answer: Callable[[Parameter], Any]) -> Filling:
        """The filling of these answers: the label of an option for a hole, a number for an interval."""
        params: dict[str, Any] = {}

        def noted(hole: Parameter) -> Any:
            params[hole.name] = answer(hole)
            return params[hole.name]

        return Filling(self.template.fill(noted), params)

    def answered(self, params: Mapping[str, Any]) -> Filling | None:
        """The filling of these parameters, by name; None if one that is asked for is missing or is no option."""
        try:
            return self.filled(lambda hole: _valid(hole, params))
        except LookupError:
            return None

    def sample(self, rng: random.Random) -> Filling:
        """A filling drawn uniformly from all fillings, not path by path; intervals evenly on their scale."""
        return self._at(rng.randrange(self.template.count), lambda interval: interval.at(rng.random()))

    def at(self, index: int) -> Filling:
        """The filling of this index, from 0 to size() - 1.

        Raises:
            SpaceError: the space is not countable.
            IndexError: no such filling.
        """
        return self._at(index, _not_countable)

    def enumerate(self) -> Iterator[Filling]:
        """All fillings, in order of index.

        Raises:
            SpaceError: the space is not countable.
        """
        if self.size() == math.inf:
            _not_countable(next(hole for hole in self.holes() if isinstance(hole, Interval)))
        return (self.at(index) for index in range(self.template.count))

    def find(self, data: Any) -> Filling | None:
        """The filling that is this JSON data, fields that keep their default written or left out; None if none is."""
        params = next(matches(self.template, data, self._models), None)
        return None if params is None else self.answered(params)

    def contains(self, spec: SpecLike | Any) -> bool:
        """Whether a spec, as a block, JSON data, a file or a published name, is a member.

        It is looked for as it is written: another way of writing one network is no member.

        Raises:
            SpecError: a name or file that is none.
        """
        data = dump_spec(as_block(spec)) if isinstance(spec, Block | str | Path) else spec
        return self.find(data) is not None

    def identity(self, spec: SpecLike, channels: int = 64) -> str:
        """A hash that two members share exactly when they are one block at C channels, as far as the language's
        synonyms go: see `attnspace.identity`.

        Raises:
            SpaceError: no member of this space.
            SpecError: not possible at C channels.
        """
        block = as_block(spec)
        data = spec if isinstance(spec, Mapping) else dump_spec(block)
        if not self.contains(data):
            raise SpaceError("is no member of this space", got=data, remedy="see attnspace.identity for any spec")
        return identity(block, channels)

    def fixed(self, settled: Mapping[str, Any]) -> Space:
        """The part of the space where some holes, by name, have one answer.

        Raises:
            SpaceError: no such hole, or no such option of it.
        """
        known = {hole.name: hole for hole in self.holes()}
        for name, label in settled.items():
            if name not in known:
                raise SpaceError(
                    "no hole has this name", at=(name,), allowed=_some(list(known)), remedy=did_you_mean(name, known)
                )
            try:
                _valid(known[name], settled)
            except LookupError:
                raise SpaceError(
                    "is no option of this hole", at=(name,), got=label, allowed=_options(known[name])
                ) from None
        template = self.template
        for hole in self.holes():  # outer ones first
            if hole.name in settled:
                if hole.name not in {left.name for left in parameters(template)}:
                    raise SpaceError(
                        "is never asked: another hole that is fixed excludes it", at=(hole.name,), remedy="remove it"
                    )
                template = _settled(template, {hole.name: settled[hole.name]})
        part = Space.__new__(Space)
        part.data, part._models, part.template = self.data, self._models, template
        return part

    def neighbours(self, filling: Filling, rng: random.Random) -> Iterator[Filling]:
        """Every filling that answers one hole differently, in random order; an interval is answered once more.

        What the change brings up for the first time is answered at random.
        """
        changes: list[tuple[str, Any]] = []
        for hole in self.holes():
            if hole.name not in filling.params:
                continue
            if isinstance(hole, Interval):
                changes.append((hole.name, hole.at(rng.random())))
            else:
                here = hole.index(filling.params[hole.name])
                changes += [(hole.name, label) for i, label in enumerate(hole.labels) if i != here]
        rng.shuffle(changes)
        for name, label in changes:
            yield self._near({**filling.params, name: label}, rng)

    def _near(self, params: Mapping[str, Any], rng: random.Random) -> Filling:
        """The filling of these answers, of random ones where there is none."""
        return self.filled(lambda hole: params[hole.name] if hole.name in params else drawn(hole, rng))

    def check(self, use: Callable[[Filling], object]) -> None:
        """Try that each option of each hole is part of some filling that `use` accepts; of `$any`, some option. Of an
        interval, both ends.

        All fillings are tried where there are up to 500 of them, else up to 200 random ones for each option.

        Raises:
            AttnspaceError: the first refusal of an option of which no filling that was tried is accepted.
        """
        rng = random.Random(0)
        small = self.size() <= EXHAUSTED
        tried = [(filling, _refusal(use, filling)) for filling in self.enumerate()] if small else []
        if tried and all(refusal for _, refusal in tried) and tried[0][1]:
            raise tried[0][1]
        for hole in self.holes():
            impossible: list[AttnspaceError] = []
            labels = (hole.low, hole.high) if isinstance(hole, Interval) else hole.labels
            for label in labels:
                refusals = (
                    (r for f, r in tried if hole.name in f.params and _same(f.params[hole.name], label))
                    if small
                    else (_refusal(use, filling) for filling in self._taking(hole, label, rng, TRIES))
                )
                first = next(refusals)
                if first is not None and all(refusals):
                    how_many = "no design is valid" if small else f"none of {TRIES} random designs is valid; the first"
                    first.what = f"with {hole.name} = {label}, {how_many}: {first.what}"
                    impossible.append(first)
            if impossible and (len(impossible) == len(labels) or not hole.offered):
                raise impossible[0]

    def _taking(self, hole: Parameter, label: Any, rng: random.Random, tries: int) -> Iterator[Filling]:
        """Random fillings that give one hole one answer."""
        settled = {**_ancestors(self.template, hole), hole.name: label}
        for _ in range(tries):
            yield self._near(settled, rng)

    def _at(self, index: int, draw: Callable[[Interval], float]) -> Filling:
        params: dict[str, Any] = {}
        return Filling(_at(self.template, index, draw, params), params)


def load_space(path_or_data: str | Path | Mapping[str, Any]) -> Space:
    """The space of a JSON or YAML file, or of data.

    Raises:
        SpaceError: with the path of the faulty hole.
    """
    if isinstance(path_or_data, Mapping):
        return Space(path_or_data)
    document = read(path_or_data, SpaceError)
    try:
        return Space(document.data)
    except AttnspaceError as error:
        raise document.place(error) from None


def drawn(hole: Parameter, rng: random.Random) -> Any:
    """A random answer: every option as likely, numbers evenly on their scale."""
    return hole.at(rng.random()) if isinstance(hole, Interval) else hole.labels[rng.randrange(len(hole.labels))]


def _valid(hole: Parameter, params: Mapping[str, Any]) -> Any:
    """The answer of this name.

    Raises:
        LookupError: there is none, or it is no answer to this hole.
    """
    answer = params[hole.name]
    if isinstance(hole, Interval):
        is_number = type(answer) in (int, float)
        if not is_number or not hole.low <= answer <= hole.high:
            raise LookupError(hole.name)
    elif hole.index(answer) is None:
        raise LookupError(hole.name)
    return answer


def _not_countable(interval: Interval) -> float:
    raise SpaceError(
        f"{interval.name} is a $float: the space has no end",
        remedy="use sample, or $choice and $int in its place",
    )


def _some(names: Sequence[str], limit: int = 8) -> str:
    return ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")


def _options(hole: Parameter) -> str:
    if isinstance(hole, Interval):
        return f"{hole.low:g} to {hole.high:g}"
    return (
        f"{hole.integers[0]} to {hole.integers[1]}" if hole.integers else _some([str(label) for label in hole.labels])
    )


def _refusal(use: Callable[[Filling], object], filling: Filling) -> AttnspaceError | None:
    try:
        use(filling)
    except AttnspaceError as error:
        return error
    return None


def _same(option: Any, label: Any) -> bool:
    return type(option) is type(label) and bool(option == label)


def _settled(template: Template, settled: Mapping[str, Any]) -> Template:
    """The template without the parameters that are settled."""
    if isinstance(template, Record):
        return replace(template, parts=tuple(_settled(part, settled) for part in template.parts))
    if isinstance(template, Interval):
        return Fixed(settled[template.name]) if template.name in settled else template
    if isinstance(template, Hole):
        if template.name in settled:
            index = template.index(settled[template.name])
            assert index is not None
            return _settled(template.options[index], settled)
        return replace(template, options=tuple(_settled(option, settled) for option in template.options))
    return template


def _ancestors(template: Template, wanted: Parameter) -> dict[str, Any]:
    """For each hole that `wanted` lies inside: its name -> the option that leads there."""
    if isinstance(template, Record):
        return next((found for part in template.parts if (found := _ancestors(part, wanted))), {})
    if isinstance(template, Hole):
        for label, option in zip(template.labels, template.options, strict=True):
            if any(hole.name == wanted.name for hole in parameters(option)):
                return {template.name: label, **_ancestors(option, wanted)}
    return {}


def _at(template: Template, index: int, draw: Callable[[Interval], float], params: dict[str, Any]) -> Any:
    if isinstance(template, Fixed):
        return template.value
    if isinstance(template, Interval):
        params[template.name] = draw(template)
        return params[template.name]
    if isinstance(template, Record):
        values = []
        for part in template.parts:
            index, here = divmod(index, part.count)
            values.append(_at(part, here, draw, params))
        return template.assembled(values)
    for label, option in zip(template.labels, template.options, strict=True):
        if index < option.count:
            params[template.name] = label
            return _at(option, index, draw, params)
        index -= option.count
    raise IndexError("no such filling")
