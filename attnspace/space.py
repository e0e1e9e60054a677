"""A space of designs: JSON with holes, to count, draw from, enumerate and suggest from."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import BaseTrial

from attnspace.documents import check_limits, read
from attnspace.errors import AttnspaceError, SpaceError
from attnspace.holes import Fixed, Hole, Record, Template, compile_template
from attnspace.primitives import refresh

__all__ = ["Filling", "Space", "load_space"]

EXHAUSTED = 500
TRIES = 200


@dataclass(frozen=True)
class Filling:
    """One member of a space.

    Attributes:
        data: the JSON data, without holes.
        params: hole name -> the option that was taken, as Optuna sees it.
    """

    data: Any
    params: Mapping[str, Any] = field(default_factory=dict)


class Space:
    """JSON data with holes, compiled."""

    def __init__(self, data: Any) -> None:
        refresh()
        check_limits(data, SpaceError)
        self.data = data
        self.template = compile_template(data)

    def size(self) -> int:
        """How many ways there are to fill the holes: at least as many as there are distinct designs."""
        return self.template.size

    def holes(self) -> list[Hole]:
        """Every hole, outer ones first."""
        return list(_holes(self.template))

    def suggest(self, trial: BaseTrial) -> Filling:
        """Fill the holes by asking an Optuna trial, each under its name."""
        params: dict[str, Any] = {}

        def pick(hole: Hole) -> int:
            if hole.integers:
                label: Any = trial.suggest_int(hole.name, *hole.integers)
            else:
                label = trial.suggest_categorical(hole.name, hole.labels)
            params[hole.name] = label
            return next(i for i, option in enumerate(hole.labels) if option is label or _same(option, label))

        return Filling(self.template.fill(pick), params)

    def sample(self, rng: random.Random) -> Filling:
        """A filling drawn uniformly from all fillings."""
        return self.at(rng.randrange(self.size()))

    def at(self, index: int) -> Filling:
        """The filling of this index, from 0 to size() - 1."""
        params: dict[str, Any] = {}
        return Filling(_at(self.template, index, params), params)

    def enumerate(self) -> Iterator[Filling]:
        """All fillings, in order of index."""
        return (self.at(index) for index in range(self.size()))

    def check(self, use: Callable[[Filling], object]) -> None:
        """Try that each option of each hole is part of some filling that `use` accepts; of `$any`, some option.

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
            for index, label in enumerate(hole.labels):
                refusals = (
                    (r for f, r in tried if hole.name in f.params and _same(f.params[hole.name], label))
                    if small
                    else (_refusal(use, filling) for filling in self._taking(hole, index, rng, TRIES))
                )
                first = next(refusals)
                if first is not None and all(refusals):
                    how_many = "no design is valid" if small else f"none of {TRIES} random designs is valid; the first"
                    first.what = f"with {hole.name} = {label}, {how_many}: {first.what}"
                    impossible.append(first)
            if impossible and (len(impossible) == len(hole.labels) or not hole.offered):
                raise impossible[0]

    def _taking(self, hole: Hole, index: int, rng: random.Random, tries: int) -> Iterator[Filling]:
        """Random fillings that take one option of one hole."""
        settled = {id(hole): index, **_ancestors(self.template, hole)}
        for _ in range(tries):
            params: dict[str, Any] = {}

            def pick(asked: Hole, params: dict[str, Any] = params) -> int:
                chosen = settled.get(id(asked))
                if chosen is None:
                    chosen = rng.randrange(len(asked.options))
                params[asked.name] = asked.labels[chosen]
                return chosen

            yield Filling(self.template.fill(pick), params)


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


def _refusal(use: Callable[[Filling], object], filling: Filling) -> AttnspaceError | None:
    try:
        use(filling)
    except AttnspaceError as error:
        return error
    return None


def _same(option: Any, label: Any) -> bool:
    return type(option) is type(label) and bool(option == label)


def _holes(template: Template) -> Iterator[Hole]:
    if isinstance(template, Hole):
        yield template
        for option in template.options:
            yield from _holes(option)
    elif isinstance(template, Record):
        for part in template.parts:
            yield from _holes(part)


def _ancestors(template: Template, wanted: Hole) -> dict[int, int]:
    """For each hole that `wanted` lies inside: its id -> the option that leads there."""
    if isinstance(template, Record):
        return next((found for part in template.parts if (found := _ancestors(part, wanted))), {})
    if isinstance(template, Hole):
        for index, option in enumerate(template.options):
            if any(hole is wanted for hole in _holes(option)):
                return {id(template): index, **_ancestors(option, wanted)}
    return {}


def _at(template: Template, index: int, params: dict[str, Any]) -> Any:
    if isinstance(template, Fixed):
        return template.value
    if isinstance(template, Record):
        values = []
        for part in template.parts:
            index, here = divmod(index, part.size)
            values.append(_at(part, here, params))
        return values if template.is_list else dict(zip(template.keys, values, strict=True))
    for label, option in zip(template.labels, template.options, strict=True):
        if index < option.size:
            params[template.name] = label
            return _at(option, index, params)
        index -= option.size
    raise IndexError("no such filling")
