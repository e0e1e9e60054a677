"""Confirming a finished search, and the controls."""

import json
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from html import escape

import pandas as pd
import pytest
import torch

import attnspace
from attnspace import insert_design, parse_spec
from attnspace.analysis.verdict import confirmation
from attnspace.confirm.confirm import FRESH, confirm
from attnspace.confirm.controls import constant, constant_gates, matched
from attnspace.costs.network import trainable
from attnspace.data import Dataset, digits
from attnspace.errors import RunError, StudyError
from attnspace.language.specs import dump_spec
from attnspace.record.ledger import Ledger
from attnspace.record.results import load
from attnspace.report import render, report_run
from attnspace.search.progress import Watcher
from attnspace.study.loading import prepare, prepare_run
from attnspace.study.run_directory import RunDirectory
from attnspace.training.epoch import Epoch
from attnspace.workers.job import Result, row
from attnspace.workers.trainer import Trainer
from tests.searching import StopAfterRows


def confirmed(path, watcher: Watcher | None = None, seeds: int | None = 2, top: int | None = 2, again: bool = False):
    study = prepare_run(path)
    place = RunDirectory(path)
    with place.opened(study):
        ledger = Ledger(place.ledger_file)
        try:
            number = confirm(study, load(path), ledger, watcher or Watcher(), top=top, seeds=seeds, again=again)
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


@pytest.fixture
def scored(monkeypatch):
    """No network is trained: identity -> by how much a design's scores are above the others'."""
    leads: dict[str, float] = {}

    def trained(self, job):
        noise = random.Random(f"{job.design.identity}/{job.seed}").gauss(0, 0.004)
        tested = {"test_accuracy": 0.5 + leads.get(job.design.identity, 0.0) + noise, "test_loss": 1.0}
        return row("", 1, job, Result([Epoch(1, {"val_accuracy": 0.5})], tested))

    def of_study(self, job):
        return replace(trained(self, job), protocol=self._study.protocol)

    monkeypatch.setattr(Trainer, "advance", of_study)
    return leads


def best_of(path) -> list[str]:
    return load(path).ranked().query("role == 'trial'")["design"].tolist()


def test_the_best_and_the_baselines_are_trained_on_fresh_seeds_that_they_share(finished):
    number, rows = confirmed(finished)
    assert number == len(rows)
    seeds = {design: sorted(part["seed"]) for design, part in rows.groupby("design")}
    assert set(map(tuple, seeds.values())) == {(FRESH, FRESH + 1)}
    about = rows.drop_duplicates("design")
    assert sorted(about["role"]) == ["baseline"] * 5 + ["trial"] * 2
    assert set(about.loc[about["role"] == "trial", "design"]) == set(best_of(finished)[:2])
    assert rows["test_accuracy"].between(0, 1).all()
    assert (rows["epochs"] == 1).all()


def test_with_fewer_than_four_seeds_nothing_is_claimed_and_more_may_be_added(finished):
    _, before = confirmed(finished)
    found = confirmation(load(finished))
    assert found.comparisons["p"].isna().all()
    assert found.comparisons["low"].isna().all()
    assert found.sentence.startswith("Undecided: 2 seeds are too few to claim anything; 8 more seeds would tell")
    number, _ = confirmed(finished, seeds=3)
    assert number == len(before) / 2
    assert len(confirmation(load(finished)).scores) == 3


def test_a_confirmation_ends_at_the_look_at_which_its_recommendation_is_settled(finished, scored):
    """It is not the best of the search that wins: verdict, controls and winner.json speak of one design all the same."""
    leader, winner = best_of(finished)[:2]
    scored |= {winner: 0.3, leader: -0.05}
    _, rows = confirmed(finished, seeds=10)
    found = confirmation(load(finished))
    assert (found.looks, found.looked, found.ended) == ((4, 6, 8, 10), 4, True)
    assert found.recommendation.outcome == "use"
    assert found.recommendation.subject.design == winner
    assert set(rows["seed"]) == set(range(FRESH, FRESH + 4))
    controls = found.comparisons.query("family == 'controls'")
    assert set(controls["name"]) == {found.recommendation.subject.name}
    assert set(controls["other"]) == {"matched", "constant"}
    results = report_run(finished)
    handed = json.loads((finished / "winner.json").read_text())
    spec = rows.loc[rows["design"] == winner, "spec"].iloc[0]
    assert (handed["block"], handed["placement"]) == (spec["block"], spec["placement"])
    assert handed["doc"] == found.sentence == attnspace.recommend(finished).sentence
    table = attnspace.frame(finished)
    assert set(table.loc[table["handed_over"], "design"]) == {winner}
    assert "<h2>The recommended design</h2>" in render(results)
    assert escape(found.sentence) in render(results)


def test_before_the_first_look_nothing_is_said_of_failures(finished, scored):
    with pytest.raises(KeyboardInterrupt):
        confirmed(finished, StopAfterRows(9), seeds=10)
    assert confirmation(load(finished)).sentence == (
        "Undecided: no look has been taken. Go on with: attnspace confirm RUN."
    )


def test_once_begun_it_is_planned_for_no_fewer_seeds(finished, scored):
    """A confirmation does not end when one likes what one sees."""
    with pytest.raises(KeyboardInterrupt):
        confirmed(finished, StopAfterRows(9), seeds=10)
    with pytest.raises(RunError, match=r"has begun, so that its plan is binding; got .2 designs, 4 seeds."):
        confirmed(finished, seeds=4)


def test_where_nothing_is_better_the_plain_network_is_kept_and_its_file_changes_nothing(finished, scored):
    scored |= dict.fromkeys(best_of(finished), -0.05)
    confirmed(finished, seeds=10)
    found = confirmation(load(finished)).recommendation
    assert (found.outcome, found.subject.kind) == ("keep", "plain")
    assert found.sentence.startswith("Keep the plain network: no confirmed design beats the best baseline")
    assert "control" not in set(load(finished).confirmed()["role"])
    report_run(finished)
    network = prepare_run(finished).network(prepare_run(finished).plain)
    before = [name for name, _ in network.named_parameters()]
    assert [name for name, _ in insert_design(network, finished, (1, 8, 8)).named_parameters()] == before


def test_a_published_block_that_helps_is_recommended_where_no_design_beats_it(finished, scored):
    study = prepare_run(finished)
    se = next(design for design in study.baselines if design.name == "se")
    scored |= {se.identity: 0.3, **dict.fromkeys(best_of(finished), 0.01)}
    confirmed(finished, seeds=10)
    found = confirmation(load(finished)).recommendation
    assert (found.outcome, found.subject.name, found.against.name) == ("keep", "se", "none")
    assert found.sentence.startswith("Use the published block se before the addition in all stages: no confirmed")


def test_after_a_look_the_plan_is_binding_and_another_begins_on_other_seeds(finished, scored):
    winner = best_of(finished)[1]
    scored |= {winner: 0.3}
    _, rows = confirmed(finished, seeds=10)
    assert confirmed(finished, seeds=10)[0] == confirmed(finished, seeds=None, top=None)[0] == 0
    with pytest.raises(RunError, match=r"its plan is binding; got .*12 seeds.*allowed: 2 designs, 10 seeds.*--again"):
        confirmed(finished, seeds=12)
    with pytest.raises(RunError, match="its plan is binding"):
        confirmed(finished, seeds=10, top=1)
    scored |= {winner: -0.1}
    _, more = confirmed(finished, seeds=5, again=True)
    assert set(more["seed"]) - set(rows["seed"]) <= set(range(FRESH + 10, FRESH + 15))
    found = confirmation(load(finished))
    assert found.recommendation.outcome == "keep"
    assert set(found.scores.index) <= set(range(FRESH + 10, FRESH + 15))


def test_a_confirmation_that_has_not_ended_says_so_and_no_other_one_begins(finished, scored):
    scored |= {best_of(finished)[0]: 0.006}  # too much to give up at the first look, too little to be sure
    with pytest.raises(KeyboardInterrupt):
        confirmed(finished, StopAfterRows(30), seeds=10)
    found = confirmation(load(finished))
    assert not found.ended
    assert "the confirmation has not ended" in found.sentence
    with pytest.raises(RunError, match="its confirmation has not ended; go on with it"):
        confirmed(finished, seeds=10, again=True)


@pytest.mark.parametrize("stops", [[3], [28], [29, 20], [45]])
def test_a_confirmation_that_was_stopped_comes_to_the_same_rows_and_the_same_end(finished, scored, tmp_path, stops):
    scored |= {best_of(finished)[1]: 0.004}
    shutil.copytree(finished, tmp_path / "whole")
    confirmed(tmp_path / "whole", seeds=6)
    for rows in stops:
        with pytest.raises(KeyboardInterrupt):
            confirmed(finished, StopAfterRows(rows), seeds=6)
    confirmed(finished, seeds=6)
    columns = ["design", "seed", "role", "name", "test_accuracy", "val_accuracy", "val_loss"]
    one, other = (load(path).confirmed()[columns] for path in (finished, tmp_path / "whole"))
    pd.testing.assert_frame_equal(one, other)
    assert confirmation(load(finished)).sentence == confirmation(load(tmp_path / "whole")).sentence


def test_what_all_trainings_fail_at_ends_the_confirmation_and_is_not_kept(finished, monkeypatch):
    advance = Trainer.advance

    def failed(self, job):
        if job.seed > FRESH + 1:
            job = replace(job, fault="the disk is full")
        return advance(self, job)

    monkeypatch.setattr(Trainer, "advance", failed)
    with pytest.raises(StudyError, match="every network fails alike, the one without attention too: the disk is full"):
        confirmed(finished, seeds=4)
    rows = load(finished).confirmed()
    assert set(rows["seed"]) == {FRESH, FRESH + 1}
    assert (rows["outcome"] == "done").all()
    monkeypatch.undo()
    assert confirmed(finished, seeds=4)[0] >= len(rows)


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


def test_each_seed_has_a_split_of_its_own_and_rows_say_which(finished, monkeypatch):
    loaded = []
    redrawn = Dataset.redrawn
    monkeypatch.setattr(Dataset, "redrawn", lambda self, number: loaded.append(number) or redrawn(self, number))
    _, rows = confirmed(finished)
    assert loaded == [FRESH, FRESH + 1]
    assert (rows["split"] == rows["seed"]).all()
    assert load(finished).searched["split"].isna().all()


def test_answers_to_test_images_are_kept_and_intervals_are_over_seeds_and_images(finished):
    _, rows = confirmed(finished, seeds=4)
    results = load(finished)
    right = results.right()
    for _, trained in rows.iterrows():
        assert right[trained["design"], trained["seed"]].mean() == pytest.approx(trained["test_accuracy"])
    found = confirmation(results).comparisons
    assert set(found["interval"]) == {"95% interval over seeds, splits and test images"}
    assert (found["low"] < found["difference"]).all()


def test_splits_may_stay_those_of_the_search(tiny, write, tmp_path, run):
    tiny["confirm"] = {"splits": "same"}
    run(prepare(write(tiny)), tmp_path / "run")
    assert confirmed(tmp_path / "run")[1]["split"].isna().all()


def test_a_confirmation_leaves_the_search_as_it_was(finished, tiny, write, run):
    before = load(finished)
    confirmed(finished)
    after = load(finished)
    assert after.ranked()["design"].tolist() == before.ranked()["design"].tolist()
    assert run(prepare(write(tiny)), finished)[0].evaluations == 0


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
    row = load(finished).winner()
    winner = study.recorded_design(row["spec"], row["choices"], row["design"])
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


@pytest.mark.parametrize("activation", ["sigmoid", "tanh1p", "identity"])
@pytest.mark.parametrize("start", ["published", "identity"])
def test_the_numbers_of_the_control_learn(tiny, write, activation, start):
    """With numbers of 1 behind a factor of 0, neither would have a gradient, and it would stay the plain network."""
    tiny["space"]["block"]["activation"] = activation
    tiny["space"]["placement"] = {"stages": [2], "start": start}
    study = prepare(write(tiny))
    control = constant(study, study.design(study.space.at(0)))
    network = study.network(control)
    new = set(network.state_dict()) - set(study.network(study.plain).state_dict())
    images = torch.randn(8, 1, 8, 8)
    network(images).logsumexp(1).sum().backward()
    slopes = {name: float(p.grad.abs().max()) for name, p in network.named_parameters() if name in new}
    assert slopes
    assert max(slopes.values()) > 1e-6
    if start == "identity":
        plain = study.network(study.plain)
        plain.load_state_dict(network.state_dict(), strict=False)
        torch.testing.assert_close(network.eval()(images), plain.eval()(images))


class Heard(Watcher):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def warn(self, what: str) -> None:
        self.said.append(what)

    def note(self, what: str) -> None:
        self.said.append(what)


def test_an_unfinished_search_is_not_confirmed_without_a_word_nor_an_old_plan_gone_on_with(
    tiny, write, tmp_path, run, scored
):
    tiny["space"]["placement"]["stages"] = {"$subset": [1, 2, 3]}
    tiny["search"] |= {"trials": 4, "sampler": "random"}
    with pytest.raises(KeyboardInterrupt):
        run(prepare(write(tiny)), tmp_path / "run", StopAfterRows(7))
    heard = Heard()
    confirmed(tmp_path / "run", heard)
    assert any("has 2 of the 4 designs that the study asks for" in one for one in heard.said)
    assert any("2 seeds are too few to claim anything" in one for one in heard.said)
    assert sum("results of 2 seeds have been looked at: that was the last look" in one for one in heard.said) == 1

    run(prepare(write(tiny)), tmp_path / "run")
    leading = best_of(tmp_path / "run")[:2]
    heard = Heard()
    confirmed(tmp_path / "run", heard, None, None)
    planned = {design["design"] for design in Ledger(tmp_path / "run" / "ledger.db").plans()[-1].designs}
    assert any("is among the best by now, and not among them" in one for one in heard.said) == (
        not set(leading) <= planned
    )


def test_other_versions_on_record_are_said(finished, scored):
    with closing(sqlite3.connect(finished / "ledger.db")) as connection, connection:
        connection.execute('UPDATE evaluations SET environment = replace(environment, \'"torch": "\', \'"torch": "1\')')
    heard = Heard()
    confirmed(finished, heard)
    assert any(
        one.startswith(f"results on record were made with torch 1{torch.__version__}, here") for one in heard.said
    )
