"""Confirming a finished search, and the controls."""

import pytest
import torch

from attnspace import parse_spec
from attnspace.analysis.verdict import confirmation
from attnspace.confirm.confirm import FRESH, chosen, confirm
from attnspace.confirm.controls import constant, constant_gates, matched
from attnspace.costs.network import trainable
from attnspace.data import digits
from attnspace.errors import RunError
from attnspace.language.specs import dump_spec
from attnspace.record.ledger import Ledger
from attnspace.record.results import load, write_tables
from attnspace.search.progress import Watcher
from attnspace.study.loading import prepare, prepare_run
from attnspace.study.run_directory import RunDirectory


def confirmed(path, watcher: Watcher | None = None, seeds: int = 2):
    study = prepare_run(path)
    place = RunDirectory(path)
    with place.opened(study):
        ledger = Ledger(place.ledger_file)
        try:
            number = confirm(study, load(path), ledger, watcher or Watcher(), top=2, seeds=seeds)
        finally:
            ledger.close()
    return number, load(path).confirmed()


@pytest.fixture
def finished(tiny, write, tmp_path, run):
    tiny["search"]["trials"] = 4
    tiny["space"]["block"]["excite"] = [{"kind": "fc", "reduction": {"$choice": [1, 2, 4]}}]
    tiny["confirm"] = {"top": 2, "seeds": 2}
    run(prepare(write(tiny)), tmp_path / "run")
    return tmp_path / "run"


def test_the_best_the_baselines_and_the_controls_are_trained_on_fresh_seeds_that_they_share(finished):
    number, rows = confirmed(finished)
    assert number == len(rows)
    seeds = {design: sorted(part["seed"]) for design, part in rows.groupby("design")}
    assert set(map(tuple, seeds.values())) == {(FRESH, FRESH + 1)}
    about = rows.drop_duplicates("design")
    assert sorted(about["role"]) == ["baseline"] * 5 + ["control"] * 2 + ["trial"] * 2
    best = load(finished).ranked().query("role == 'trial'")["design"].head(2)
    assert set(about.loc[about["role"] == "trial", "design"]) == set(best)
    assert rows["test_accuracy"].between(0, 1).all()
    assert (rows["epochs"] == 1).all()


def test_test_images_are_asked_for_once_and_only_here(tiny, write, tmp_path, run, monkeypatch):
    asked = []
    real = digits.Dataset.sealed_test
    monkeypatch.setattr(digits.Dataset, "sealed_test", lambda self: asked.append(1) or real(self))
    run(prepare(write(tiny)), tmp_path / "run")
    assert not asked
    assert load(tmp_path / "run").frame["test_accuracy"].isna().all()
    confirmed(tmp_path / "run", seeds=2)
    assert len(asked) == 1


def test_a_confirmation_goes_on_where_it_stopped(finished):
    class Stop(Watcher):
        left = 3

        def design_ends(self, row) -> None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        confirmed(finished, Stop())
    first = load(finished).confirmed()
    number, rows = confirmed(finished)
    assert len(first) == 3
    assert number == len(rows) - 3
    assert rows.iloc[:3]["test_accuracy"].tolist() == first["test_accuracy"].tolist()
    assert confirmed(finished)[0] == 0


def test_more_seeds_are_added_to_those_there(finished):
    _, before = confirmed(finished)
    number, _ = confirmed(finished, seeds=3)
    assert number == len(before) / 2
    assert len(confirmation(load(finished)).scores) == 3


def test_a_confirmation_leaves_the_search_as_it_was(finished, tiny, write, run):
    before = load(finished)
    confirmed(finished)
    after = load(finished)
    assert after.ranked()["design"].tolist() == before.ranked()["design"].tolist()
    assert run(prepare(write(tiny)), finished)[0].evaluations == 0
    write_tables(after)
    assert "mean of 2 fresh seeds" in (finished / "winner.json").read_text()


def test_a_search_without_a_trial_has_nothing_to_confirm(finished):
    import sqlite3

    with sqlite3.connect(finished / "ledger.db") as connection:
        connection.execute("DELETE FROM evaluations WHERE role = 'trial'")
    connection.close()
    with pytest.raises(RunError, match="has no finished trial to confirm; search first"):
        confirmed(finished)


def test_further_baselines_that_were_files_are_confirmed_without_the_files(tiny, write, tmp_path, run):
    file = write('{"kind": "gate", "squeeze": {"kind": "none"}}', "mine.json")
    tiny["baselines"] = {"extra": ["mine.json"]}
    run(prepare(write(tiny)), tmp_path / "run")
    file.unlink()
    _, rows = confirmed(tmp_path / "run", seeds=2)
    assert "mine" in set(rows["name"])


def test_the_matched_backbone_has_as_many_parameters_as_channels_allow(finished):
    study = prepare_run(finished)
    winner = chosen(study, load(finished), 1)[0]
    control = matched(study, winner)
    have, plain, target = (trainable(study.network(design)) for design in (control, study.baselines[0], winner))
    assert plain < have <= target
    assert target - have < 9 * 2 * 16 + 2  # the price of one channel more
    assert not control.plan
    assert control.identity != study.baselines[0].identity


def test_a_winner_of_few_parameters_is_matched_by_the_plain_backbone(tiny, write):
    tiny["space"]["block"] = {"$published": "eca"}
    tiny["space"]["placement"] = {"stages": [2]}
    study = prepare(write(tiny))
    assert matched(study, study.design(study.space.at(0))) is None


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("se", {"kind": "layers", "layers": [{"kind": "affine", "scale": 0.5, "shift": None}]}),
        ("cbam", "sequential"),
        ("triplet", "layers"),
        ("simam", "layers"),
        ("bam", "residual"),
    ],
)
def test_constant_gates_do_not_look_at_the_image(block, expected):
    from attnspace import build, load_spec

    replaced = constant_gates(load_spec(block))
    assert parse_spec(dump_spec(replaced)) == replaced
    if isinstance(expected, dict):
        assert replaced == parse_spec(expected)
    module = build(replaced, 64).eval()
    x, y = torch.randn(1, 64, 5, 5), torch.randn(1, 64, 5, 5)
    with torch.no_grad():  # linear: what it does to one image does not depend on the image
        zero = module(torch.zeros_like(x))
        torch.testing.assert_close(module(x + y) - zero, module(x) + module(y) - 2 * zero, rtol=1e-4, atol=1e-5)


def test_convolutions_that_a_selection_chooses_among_stay():
    from attnspace import build, cost, load_spec

    select, control = load_spec("sk"), constant_gates(load_spec("sk"))
    assert control.kind == "parallel"
    assert len(control.blocks) == len(select.branches)
    assert cost(control, (64, 8, 8)).flops > 0.5 * cost(select, (64, 8, 8)).flops
    assert build(control, 64)(torch.randn(2, 64, 5, 5)).shape == (2, 64, 5, 5)


def test_a_design_without_gates_has_no_constant_control(tiny, write):
    tiny["space"]["block"] = {"kind": "layers", "layers": [{"kind": "affine"}]}
    study = prepare(write(tiny))
    assert constant(study, study.design(study.space.at(0))) is None


def test_constant_gates_of_a_block_for_each_stage(tiny, write):
    tiny["space"]["block"] = {"per_stage": {s: {"$published": "se-official"} for s in (1, 2, 3)}}
    tiny["space"]["placement"] = {"stages": [1, 3]}
    study = prepare(write(tiny))
    control = constant(study, study.design(study.space.at(0)))
    assert {block.kind for block in control.plan.values()} == {"layers"}
    assert set(control.document.block["per_stage"]) == {"1", "3"}
