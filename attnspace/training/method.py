"""What a section `train` of a study must be able to do, whatever its kind.

A study's section is a `Train`: data, checked when the file is read. Prepared for the study's images and network it is a
`Method`, which says what a search has to know, and begins trainings. A training under way is a `Run`.

    Train -> prepare -> Method -> begin -> Run -> run to an epoch, pause, go on

The search, the workers and the confirmation know these three alone, not which kind a study has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from attnspace.costs.declaration import DesignCosts
from attnspace.data.loader import SHARE, Batches, DeviceData
from attnspace.data.split import Dataset, DataSplit
from attnspace.errors import StudyError, TrainingFailed
from attnspace.training.epoch import Epoch
from attnspace.training.train import Train

__all__ = ["Assignment", "Method", "Run", "Setting", "Workplace", "method_for", "prepare"]


@dataclass(frozen=True)
class Setting:
    """What a section `train` is told about its study when it is prepared.

    Attributes:
        folder: that of the study file.
        study: the study as plain data, every default written out.
        written_out: another study's plain data, with the defaults of today where it says nothing.
        wanted: metrics that a training has to come to.
    """

    folder: Path
    study: Mapping[str, Any]
    written_out: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    wanted: Sequence[str]


@dataclass(frozen=True)
class Assignment:
    """One training: a design goes from epoch `since` to epoch `until` under a seed.

    Attributes:
        design: the identity of the network.
        network: makes the network; weights are drawn from torch's global stream.
        seed: of weights, order and augmentation.
        since: the epoch after which an earlier training waits; 0 begins.
        until: the last epoch.
        confirming: whether it belongs to a confirmation, which looks at the test images.
    """

    design: str
    network: Callable[[], nn.Module]
    seed: int
    since: int
    until: int
    confirming: bool = False


class Workplace:
    """Where a process trains: a device, and the study's images on it, sent there once for all trainings.

    Args:
        data: the images.
        device: where networks are trained.
        share: images that take more than this part of the device's free memory are streamed.
        test: the test images, where they are loaded already.
    """

    def __init__(
        self, data: Dataset, device: torch.device, share: float = SHARE, test: DataSplit | None = None
    ) -> None:
        self.data = data
        self.device = device
        self._share = share
        self._test = test

    @cached_property
    def device_data(self) -> DeviceData:
        """Training and validation images on the device."""
        return DeviceData(self.data, self.device, self._share)

    @property
    def loaded_test(self) -> DataSplit | None:
        """The test images if they were asked for."""
        return self._test

    @property
    def test(self) -> DataSplit:
        """The test images, for confirmations alone."""
        if self._test is None:
            self._test = self.data.sealed_test()
        return self._test

    @cached_property
    def test_batches(self) -> Batches:
        """The test images on the device."""
        return self.device_data.batches(self.test)


@dataclass
class Run(ABC):
    """One training under way.

    Attributes:
        history: one entry for each epoch.
        how: in words, how steps are taken.
        tested: metrics on the test images, name -> value, once they are known.
        answers: the class predicted of each test image, (images,); None where the training does not say.
    """

    history: list[Epoch] = field(default_factory=list)
    how: str = ""
    tested: Mapping[str, float | None] = field(default_factory=dict)
    answers: np.ndarray | None = None

    @abstractmethod
    def run(self, until: int, on_epoch: Callable[[Epoch], None]) -> None:
        """Train up to the end of epoch `until`.

        Raises:
            TrainingFailed: it cannot be finished; `history` has what was reached.
        """

    def state(self) -> dict[str, Any] | None:
        """What another run needs to go on from here, as `torch.save` writes it; None if there is no need of it."""
        return None

    def network(self) -> nn.Module | None:
        """The network with the weights that were evaluated last, to keep them; None where there is none to keep."""
        return None

    def test(self) -> None:
        """Look at the test images, if `run` has not done so, and fill in `tested`."""
        return


class Method(ABC):
    """A section `train` prepared: what a search has to know of it, and the beginning of each training.

    Args:
        section: the section, of the kind that `method_for` names.
        setting: the study that it is prepared for.

    Raises:
        StudyError: it is not possible in this study; the path begins in the section.

    Attributes:
        epochs: of a whole training.
        is_lookup: whether results are there without training, so that further processes bring nothing.
        is_measurable: whether `probe` tells how fast several trainings at once are.
        reports: the metrics that it comes to; None if that is not known beforehand.
        seeds: under how many seeds there can be results; None for any number.
    """

    epochs: int
    is_lookup: bool = False
    is_measurable: bool = False
    reports: Sequence[str] | None = None
    seeds: int | None = None

    @abstractmethod
    def __init__(self, section: Any, setting: Setting) -> None: ...

    @abstractmethod
    def protocol(self) -> Any:
        """JSON data of what a result depends on besides design, seed, images and backbone."""

    @abstractmethod
    def begin(self, assignment: Assignment, place: Workplace, state: Mapping[str, Any] | None) -> Run:
        """A training, where an earlier one waits if its `state` is given and fits, else at the start."""

    def seed(self, number: int) -> int:
        """The seed that stands for a number: a lookup has only those that were recorded."""
        return number

    def holds(self, design: str, seed: int) -> bool:
        """Whether there can be a result of this design; those of which there can be none are passed over."""
        return True

    def costs(self, design: str) -> DesignCosts | None:
        """What a design costs, where that is on record."""
        return None

    def lacks(self, cost: str) -> bool:
        """Whether a study that asks for this cost cannot be searched by this method."""
        return False

    def images(self) -> Dataset | None:
        """A dataset that stands for the study's, of which no image is needed; None where the study's is needed."""
        return None

    def check_images(self, data: Dataset) -> None:
        """Refuse images that cannot be trained on in this way.

        Raises:
            StudyError: saying why; the path begins in the section.
        """
        return

    def summary(self) -> str | None:
        """What `attnspace check` says of it, in a sentence."""
        return None

    def rehearse(self, network: nn.Module, data: Dataset) -> tuple[str, ...]:
        """Try whether a network can be trained, and forget it.

        Returns:
            what the user should know of it, in sentences.

        Raises:
            StudyError: it cannot.
        """
        return ()

    def probe(self, network: Callable[[], nn.Module], place: Workplace, seconds: float) -> float:
        """Train on a few batches for so long, and forget it.

        Returns:
            images per second.

        Raises:
            TrainingFailed, torch.OutOfMemoryError: memory does not suffice.
        """
        raise TrainingFailed("its speed cannot be measured")


_METHODS: dict[type[Train], type[Method]] = {}
Made = TypeVar("Made", bound=type[Method])


def method_for(section: type[Train]) -> Callable[[Made], Made]:
    """Decorates the method of a kind of section.

    Raises:
        ValueError: when it decorates: the kind has a method.
    """

    def register(method: Made) -> Made:
        if taken := _METHODS.get(section):
            raise ValueError(
                f"{section.__name__} has the method {taken.__module__}.{taken.__qualname__} already; "
                f"got {method.__qualname__}; allowed: one method for each kind of training; "
                "declare a Train of your own for it"
            )
        _METHODS[section] = method
        return method

    return register


def prepare(section: Train, setting: Setting) -> Method:
    """The section made ready for a study.

    Raises:
        StudyError: it is not possible in this study, or its kind has no method; the path begins in the section.
    """
    kind = type(section)
    if kind not in _METHODS:
        raise StudyError(
            "this kind of training has no method",
            at=("kind",),
            got=getattr(section, "kind", kind.__name__),
            allowed=", ".join(name for name, known in Train.members.items() if known in _METHODS),
            remedy=f"declare a Method with @method_for({kind.__name__})",
        )
    return _METHODS[kind](section, setting)
