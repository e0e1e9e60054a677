import pytest

from attnspace import Placement, PlacementError, SpecError
from attnspace.backbones import ResNet
from attnspace.language.specs import load_spec, parse_spec, read_spec
from attnspace.language.stages import StageBlocks
from attnspace.placement.document import DesignDocument
from attnspace.placement.insertion import insert, insert_at
from attnspace.placement.placement import Plan, plan, plan_blocks
from attnspace.placement.slots import slots

WRITTEN = {"kind": "gate", "squeeze": {"kind": "global", "stats": ["avg"]}, "excite": [{"kind": "fc", "bias": True}]}
SHAPE = (3, 32, 32)


def test_a_document_keeps_its_block_as_it_was_written():
    document = DesignDocument.parse({"block": WRITTEN, "placement": {"stages": [2]}})
    assert document.data()["block"] == WRITTEN
    assert document.blocks == StageBlocks.of(parse_spec(WRITTEN))
    assert document.placement == Placement(stages=(2,))
    assert DesignDocument.parse(document.data()) == document


def test_blocks_of_stages_that_are_not_used_are_not_written():
    data = {"per_stage": {"1": WRITTEN, "2": WRITTEN, "3": WRITTEN}}
    document = DesignDocument.parse({"block": data, "placement": {"stages": [3]}})
    assert list(document.data()["block"]["per_stage"]) == ["3"]


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ({"block": WRITTEN, "placement": {"every": 0}}, PlacementError, "placement.every: should be at least 1"),
        ({"block": {"kind": "gait"}, "placement": {}}, SpecError, "block.kind: unknown kind 'gait'"),
    ],
)
def test_faults_have_the_path_in_the_document(data, kind, message):
    with pytest.raises(kind) as error:
        DesignDocument.parse(data)
    assert str(error.value).startswith(message)


def test_a_published_block_is_a_document_at_the_usual_placement():
    document = DesignDocument.of_file(read_spec("eca"))
    assert document.placement == Placement()
    assert document.blocks.single == load_spec("eca")


def test_a_plan_is_built_as_it_is():
    model = ResNet(depth=8, width=16)
    available = slots(model, SHAPE)
    planned = plan_blocks(available, Placement(stages=(1,)), StageBlocks.of(load_spec("se")))
    assert isinstance(planned, Plan)
    assert set(planned.channels.values()) == {16}
    insert_at(model, planned, available)
    assert model.get_submodule(next(iter(planned))).__class__.__name__ == "GateModule"


def test_a_plan_of_another_model_is_refused():
    narrow, wide = (ResNet(depth=8, width=width) for width in (16, 32))
    planned = plan(slots(narrow, SHAPE), Placement(), "se")
    with pytest.raises(
        PlacementError, match=r"stage1\.block1\.residual: the block was planned for 16 channels; got 32"
    ):
        insert(wide, planned, SHAPE)
