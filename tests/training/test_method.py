"""Kinds of training: each has one method, and a study of a kind that has none is refused."""

from typing import Literal

import pytest

from attnspace.documents.sections import sections_changed
from attnspace.errors import StudyError
from attnspace.study.loading import prepare
from attnspace.training import Recipe, SgdMethod, Train
from attnspace.training.method import _METHODS, method_for


@pytest.fixture
def idle():
    """A kind of training without a method; it is forgotten afterwards."""

    class Idle(Train):
        kind: Literal["idle"] = "idle"
        epochs: int = 1

    yield Idle
    del Train.members["idle"]
    _METHODS.pop(Idle, None)
    sections_changed()


def test_a_kind_has_one_method():
    with pytest.raises(
        ValueError, match=r"Recipe has the method attnspace\.training\.sgd\.SgdMethod already; got Other"
    ):

        @method_for(Recipe)
        class Other(SgdMethod):
            __qualname__ = "Other"

    assert _METHODS[Recipe] is SgdMethod


def test_a_study_of_a_kind_without_a_method_is_refused(idle, tiny, write):
    study = write({**tiny, "train": {"kind": "idle"}})
    message = (
        r"train\.kind: this kind of training has no method; got \"idle\"; allowed: .*sgd.*; declare a Method with "
    )
    with pytest.raises(StudyError, match=message + r"@method_for\(Idle\)"):
        prepare(study)
