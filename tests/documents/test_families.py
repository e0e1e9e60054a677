"""Open sets of models: what is declared later is accepted wherever its family is."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from attnspace.documents.families import Member, Registry, is_family, kind_of
from attnspace.documents.names import OneOf
from attnspace.documents.validation import validate
from attnspace.errors import StudyError


@pytest.fixture
def words():
    """A vocabulary of its own, with one family of two members, and a model with a field of it."""
    names = ["one", "two"]

    class Word(Member):
        registry: ClassVar[Registry] = Registry()

    class Shape(Word, family=True):
        default_kind = "circle"
        first = ("square",)

    class Circle(Shape):
        kind: Literal["circle"] = "circle"
        radius: int = 1

    class Square(Shape):
        kind: Literal["square"] = "square"
        side: int = 2

    class Picture(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)
        shape: Shape = Circle()
        name: Annotated[str, OneOf(lambda: names)] = "one"

    Word.registry.dependent(Picture)
    return Shape, Picture, names


def declare_triangle(family: type[Member]) -> type[Member]:
    class Triangle(family):
        kind: Literal["triangle"] = "triangle"
        sides: tuple[int, int, int] = (3, 4, 5)

    return Triangle


def test_a_family_knows_its_members(words):
    family, _, _ = words
    assert is_family(family)
    assert sorted(family.members) == ["circle", "square"]
    assert all(member.family() is family and not is_family(member) for member in family.members.values())


def test_the_kind_says_which_member_is_meant_and_may_be_left_out(words):
    family, picture, _ = words
    assert validate(picture, {"shape": {"kind": "square", "side": 3}}, StudyError).shape == family.members["square"](
        side=3
    )
    assert validate(picture, {"shape": {"radius": 3}}, StudyError).shape == family.members["circle"](radius=3)


def test_a_member_that_is_declared_later_is_accepted_at_once(words):
    family, picture, _ = words
    with pytest.raises(StudyError, match="unknown kind 'triangle'; allowed: circle, square"):
        validate(picture, {"shape": {"kind": "triangle"}}, StudyError)
    triangle = declare_triangle(family)
    assert validate(picture, {"shape": {"kind": "triangle"}}, StudyError).shape == triangle()


def test_a_name_that_is_registered_later_is_accepted_at_once(words):
    family, picture, names = words
    with pytest.raises(StudyError, match='name: should be one or two; got "three"'):
        validate(picture, {"name": "three"}, StudyError)
    names.append("three")
    family.registry.stale = True
    assert validate(picture, {"name": "three"}, StudyError).name == "three"


def test_a_kind_is_declared_once(words):
    family, _, _ = words
    declare_triangle(family)
    with pytest.raises(TypeError, match=r"kind 'triangle' is already .*Triangle"):
        declare_triangle(family)


def declared(family: type[Member], kind: object) -> type[Member]:
    """A class that does all that the family leaves open, with this annotation of its kind; None for none."""
    own = {} if kind is None else {"__annotations__": {"kind": kind}, "kind": "x"}
    return type(family)(
        "Own", (family,), {"__module__": __name__, "__qualname__": "Own", "area": lambda self: 1, **own}
    )


@pytest.mark.parametrize("kind", [None, str, Literal["x", "y"], str | None])
def test_a_member_without_a_kind_of_its_own_is_refused(words, kind):
    family, _, _ = words

    class Solid(family.__base__, family=True):
        @abstractmethod
        def area(self) -> int: ...

    with pytest.raises(TypeError, match=r"Own has no kind of its own; got .+; allowed: .*Literal\[\"mine\"\]"):
        declared(Solid, kind)
    assert Solid.members == {}
    if kind is not None:  # nothing tells a base from a member where the family leaves nothing open
        with pytest.raises(TypeError, match="no kind of its own"):
            declared(family, kind)
    assert declared(Solid, Literal["x"]).members == {"x": Solid.members["x"]}


def test_a_base_of_several_members_needs_no_kind(words):
    family, _, _ = words

    class Solid(family.__base__, family=True):
        @abstractmethod
        def area(self) -> int: ...

    class Prism(Solid):
        kind: str
        sides: int = 3

    class Round(family):
        radius: int = 1

    assert Solid.members == {}
    assert sorted(family.members) == ["circle", "square"]
    assert declared(Prism, Literal["prism"])().sides == 3


def test_schemas_list_the_first_kinds_first(words):
    family, picture, _ = words
    declare_triangle(family)
    validate(picture, {}, StudyError)
    options = picture.model_json_schema()["properties"]["shape"]["oneOf"]
    assert [option["$ref"].rsplit("/", 1)[1] for option in options] == ["Square", "Circle", "Triangle"]


def test_faults_inside_a_member_name_its_fields(words):
    _, picture, _ = words
    with pytest.raises(StudyError, match=r"shape\.sid: unknown key 'sid'; got 3; allowed: side; did you mean 'side'"):
        validate(picture, {"shape": {"kind": "square", "sid": 3}}, StudyError)
    with pytest.raises(StudyError, match=r"shape\.radius: should be a whole number"):
        validate(picture, {"shape": {"radius": "1"}}, StudyError)


def test_a_family_by_itself_is_no_member(words):
    family, _, _ = words
    with pytest.raises(ValidationError):
        TypeAdapter(family).validate_python({"kind": "pentagon"})


@pytest.mark.parametrize(
    ("data", "kind"),
    [({}, "usual"), ({"import": "a.py:f"}, "import"), ({"kind": "x", "import": "y"}, "x"), ("?", "usual")],
)
def test_the_kind_of_data_that_name_none(data, kind):
    assert kind_of(data, "usual") == kind
