import pytest

from attnspace.errors import SpecError
from attnspace.language.specs import load_spec, parse_blocks
from attnspace.language.stages import StageBlocks, used_stages

SE, ECA = load_spec("se"), load_spec("eca")
ONE = StageBlocks.of(SE)
EACH = StageBlocks.per_stage({2: ECA, 1: SE})


@pytest.mark.parametrize("blocks", [ONE, EACH])
def test_what_is_written_parses_to_the_same(blocks):
    assert parse_blocks(blocks.data()) == blocks


def test_one_block_stands_in_every_stage():
    assert ONE.single == SE
    assert ONE.stages == ()
    assert ONE.at(1) == ONE.at(7) == (("block",), SE)
    assert ONE.titled() == [("", SE)]
    assert ONE.label() == SE.label()


def test_blocks_of_stages_are_in_their_order():
    assert EACH.single is None
    assert EACH.stages == (1, 2)
    assert EACH.at(2) == (("block", "per_stage", "2"), ECA)
    assert EACH.at(3) is None
    assert EACH.titled() == [("stage 1", SE), ("stage 2", ECA)]
    assert EACH.label() == f"1: {SE.label()} | 2: {ECA.label()}"


def test_every_block_is_changed():
    assert EACH.mapped(lambda block: ECA) == StageBlocks.per_stage({1: ECA, 2: ECA})
    assert ONE.mapped(lambda block: ECA) == StageBlocks.of(ECA)


@pytest.mark.parametrize(("stages", "left"), [(None, {"1", "2"}), ((2,), {"2"}), ((2, 3), {"2"})])
def test_stages_where_nothing_is_placed_are_left_out(stages, left):
    assert set(used_stages(EACH.data(), stages)["per_stage"]) == left
    assert used_stages(ONE.data(), stages) == ONE.data()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"per_stage": {}}, "per_stage: takes one block for each stage, and no key beside it"),
        ({"per_stage": {"1": SE.model_dump(mode="json")}, "kind": "gate"}, "per_stage: takes one block"),
        ({"per_stage": {"0": {}}}, "per_stage.0: '0' is no stage"),
        ({"per_stage": {"1": EACH.data()}}, "per_stage.1: stages inside a stage"),
        ({"per_stage": {"1": {"kind": "gait"}}}, "per_stage.1.kind: unknown kind 'gait'"),
    ],
)
def test_faults_are_named_with_their_place(data, message):
    with pytest.raises(SpecError) as error:
        parse_blocks(data)
    assert str(error.value).startswith(message)
