import random
import sqlite3
from contextlib import closing

import pytest
import torch

from attnspace.errors import RunError, RunFailed
from attnspace.record.ledger import Ledger
from attnspace.search.suggester import Suggester
from attnspace.study.loading import prepare
from attnspace.study.run_directory import RunDirectory
from attnspace.study.study import Study
from attnspace.workflow import run_study
from tests.searching import StopAfter, facts


def test_baselines_come_first_and_every_design_is_new(tiny, write, tmp_path, run):
    outcome, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert [row.name for row in rows[:5]] == ["none", "se", "cbam", "eca", "ca"]
    assert [row.role for row in rows] == ["baseline"] * 5 + ["trial"] * 3
    assert len({row.design for row in rows}) == 8
    assert outcome.evaluations == 8
    assert not outcome.exhausted
    assert all(row.outcome == "done" and len(row.history) == 1 for row in rows)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_stopped_and_resumed_is_the_search_not_stopped(tiny, write, tmp_path, sampler, run):
    tiny["search"] |= {"trials": 14, "sampler": sampler}
    study = prepare(write(tiny))
    _, whole = run(study, tmp_path / "whole")
    for evaluations in (3, 4, 8):
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path / "parts", StopAfter(evaluations))
    outcome, parts = run(study, tmp_path / "parts")
    assert outcome.evaluations == 19 - 15
    assert facts(parts) == facts(whole)


def test_more_trials_may_be_asked_for_later(tiny, write, tmp_path, run):
    _, first = run(prepare(write(tiny)), tmp_path / "run")
    tiny["search"]["trials"] = 5
    outcome, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert outcome.evaluations == 2
    assert facts(rows[:8]) == facts(first)


def test_a_finished_search_does_nothing_more(tiny, write, tmp_path, run):
    study = prepare(write(tiny))
    run(study, tmp_path / "run")
    assert run(study, tmp_path / "run")[0].evaluations == 0


def test_designs_that_are_one_network_are_trained_once(tiny, write, tmp_path, run):
    """Ways of writing SE at C/16, at placements that name the same slots, are the baseline."""
    tiny["space"] = {
        "block": {
            "$choice": [
                {"$published": "se"},
                {"kind": "sequential", "blocks": [{"kind": "identity"}, {"$published": "se"}]},
                {"kind": "identity"},
                {"$published": "pixel"},
            ]
        },
        "placement": {"stages": {"$choice": [None, [1, 2, 3], [3, 2, 1]]}, "every": {"$int": [1, 4]}},
    }
    tiny["search"]["trials"] = 40
    outcome, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert outcome.exhausted
    assert [row.label for row in rows if row.role == "trial"] == ["map > 1x1->C"]


def test_an_exception_in_one_trial_is_recorded_and_the_search_goes_on(tiny, write, tmp_path, monkeypatch, run):
    study = prepare(write(tiny))
    real = Study.network

    def sometimes(self, design):
        if design.name == "cbam" or design.choices.get("block.excite.0.reduction") == 2:
            raise RuntimeError("out of memory")
        return real(self, design)

    monkeypatch.setattr(Study, "network", sometimes)
    tiny["search"]["trials"] = 6
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    failed = [row for row in rows if row.outcome == "failed"]
    assert len(rows) == 11
    assert "cbam" in [row.name for row in failed]
    assert all(
        row.reason.startswith("RuntimeError: out of memory (test_search.py:") and row.metrics["val_accuracy"] is None
        for row in failed
    )
    assert study.config.search.trials == 3


def test_a_loss_that_is_no_number_is_recorded_and_the_search_goes_on(tiny, write, tmp_path, monkeypatch, run):
    real = Study.network

    def poisoned(self, design):
        model = real(self, design)
        if design.name == "eca":
            torch.nn.init.constant_(model.fc.weight, float("nan"))
        return model

    monkeypatch.setattr(Study, "network", poisoned)
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    (failed,) = [row for row in rows if row.outcome == "failed"]
    assert failed.name == "eca"
    assert failed.reason == "the training loss became nan in epoch 1 of 1"


def test_designs_share_seed_data_order_and_backbone_weights(tiny, write):
    study = prepare(write(tiny))
    torch.manual_seed(0)
    plain = study.network(study.baselines[0]).state_dict()
    torch.manual_seed(0)
    with_se = study.network(study.baselines[1]).state_dict()
    assert all(torch.equal(plain[name], with_se[name]) for name in plain)


def test_a_directory_of_another_study_is_refused_untouched(tiny, write, tmp_path, run):
    run(prepare(write(tiny)), tmp_path / "run")
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    for change, message in (
        ({"train": {**tiny["train"], "lr": 0.5}}, r"belongs to another study: train\.lr is 0\.02 there and 0\.5 here"),
        ({"space": {"block": {"$any": "gate"}}}, r"belongs to another study: space\.block"),
        ({"name": "other"}, r"belongs to another study: name is \"tiny\" there"),
    ):
        with pytest.raises(RunError, match=message):
            run(prepare(write({**tiny, **change})), tmp_path / "run")
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_a_directory_with_other_files_is_refused(tiny, write, tmp_path, run):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    with pytest.raises(RunError, match="holds other files and no study"):
        run(prepare(write(tiny)), tmp_path / "run")


@pytest.mark.parametrize("left", [[".lock"], [".lock", "meaning.json"], [".lock", "study.yaml.partial-a-1-0"]])
def test_a_search_killed_before_it_wrote_its_study_can_be_begun_again(tiny, write, tmp_path, left, run):
    (tmp_path / "run").mkdir()
    for name in left:
        (tmp_path / "run" / name).write_text("")
    assert run(prepare(write(tiny)), tmp_path / "run")[0].evaluations == 8


def test_another_study_begun_in_the_meantime_is_noticed(tiny, write, tmp_path, monkeypatch, run):
    mine = prepare(write(tiny))
    other = prepare(write({**tiny, "train": {**tiny["train"], "lr": 0.5}}, "other.yaml"))
    place, checks = RunDirectory(tmp_path / "run"), []
    real = RunDirectory.check

    def check(self, study):
        real(self, study)
        checks.append(study)
        if len(checks) == 1:
            run(other, tmp_path / "run")

    monkeypatch.setattr(RunDirectory, "check", check)
    with pytest.raises(RunError, match="belongs to another study"), place.opened(mine):
        pass


def test_a_baseline_file_that_changed_is_noticed(tiny, write, tmp_path, run):
    tiny["baselines"] = {"extra": ["mine.json"]}
    write('{"kind": "gate", "squeeze": {"kind": "none"}}', "mine.json")
    run(prepare(write(tiny)), tmp_path / "run")
    write('{"kind": "gate", "squeeze": {"kind": "none"}, "activation": "relu"}', "mine.json")
    with pytest.raises(RunError, match=r"when this study meant something else: baselines\.mine is"):
        run(prepare(write(tiny)), tmp_path / "run")


def test_a_language_that_grew_is_noticed(tiny, write, tmp_path, monkeypatch, run):
    tiny["space"] = {"block": {"$any": "gate"}}
    run(prepare(write(tiny)), tmp_path / "run")
    monkeypatch.setattr("attnspace.primitives.statistics.amax.Amax.searched", True)
    with pytest.raises(RunError, match="when this study meant something else: space is"):
        run(prepare(write(tiny)), tmp_path / "run")


@pytest.mark.parametrize("content", [b"a: [", b"[]", b"\xff\xfe", b"a: 0x_"])
def test_a_damaged_study_file_is_named(tiny, write, tmp_path, content, run):
    study = prepare(write(tiny))
    run(study, tmp_path / "run")
    (tmp_path / "run" / "study.yaml").write_bytes(content)
    with pytest.raises(RunError, match=r"study\.yaml|belongs to another study"):
        run(study, tmp_path / "run")


def test_odd_directory_names_hold_their_own_files(tiny, write, tmp_path, run):
    run(prepare(write(tiny)), tmp_path / "what? x=1")
    assert (tmp_path / "what? x=1" / "ledger.db").exists()
    with pytest.raises(RunError, match="cannot be used: File name too long"):
        run(prepare(write(tiny)), tmp_path / ("x" * 300))


def test_blocks_side_by_side_in_another_order_are_one_design(tiny, write):
    sides = [{"$published": "se-official"}, {"$published": "sse"}]
    orders = [{"kind": "parallel", "blocks": blocks} for blocks in (sides, sides[::-1])]
    tiny["space"]["block"] = {"$choice": [*orders, {"kind": "parallel", "blocks": sides, "merge": "max"}]}
    study = prepare(write(tiny))
    one, same, other = (study.design(study.space.at(i)) for i in range(3))
    assert one.identity == same.identity != other.identity


def test_one_map_has_two_names_and_one_identity(tiny, write):
    """What a block leaves at post_add is what the next one sees at pre."""
    tiny["space"]["block"] = {"$published": "eca"}
    tiny["space"]["placement"] = {
        "$choice": [
            {"position": "pre", "stages": [2, 3]},
            {"position": "post_add", "stages": [1, 2]},
            {"position": "post_add", "stages": [2, 3]},
        ]
    }
    study = prepare(write(tiny))
    one, same, other = (study.design(filling) for filling in study.space.enumerate())
    assert one.identity == same.identity != other.identity
    x = torch.rand(2, 1, 8, 8)
    outputs = []
    for design in (one, same):
        torch.manual_seed(0)
        outputs.append(study.network(design).eval()(x))
    assert torch.equal(*outputs)


def test_a_directory_in_use_is_refused(tiny, write, tmp_path, run):
    study = prepare(write(tiny))
    with RunDirectory(tmp_path / "run").opened(study), pytest.raises(RunError, match=r"is in use by process \d+"):
        run(study, tmp_path / "run")


def test_a_ledger_that_cannot_be_written_ends_the_search_with_its_reason(tiny, write, tmp_path):
    study = prepare(write(tiny))
    place = RunDirectory(tmp_path / "run")
    with place.opened(study):
        place.ledger_file.write_text("not a database, and longer than the header of one " * 4)
        with pytest.raises(RunFailed, match=r"ledger\.db: the ledger cannot be used: file is not a database"):
            Ledger(place.ledger_file)


def test_the_same_question_has_the_same_answer(tiny, write):
    study = prepare(write(tiny))

    def asked():
        suggester = Suggester(study.space, "tpe", 0, ["maximize"])
        rng = random.Random(0)
        for number in range(15):
            suggester.tell(number, study.space.sample(rng).choices, [rng.random()])
        suggester.ask(1, 0)
        return [suggester.ask(number, 0).choices for number in range(5)]

    assert asked() == asked()


def test_tpe_prefers_what_was_good(tiny, write):
    study = prepare(write(tiny))
    suggester = Suggester(study.space, "tpe", 0, ["maximize"])
    rng = random.Random(0)
    for number in range(60):
        params = study.space.sample(rng).choices
        suggester.tell(number, params, [float(params["block.excite.0.reduction"] == 4)])
    asked = [suggester.ask(number, 0).choices["block.excite.0.reduction"] for number in range(40)]
    assert asked.count(4) > 25


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_training_uses_the_threads_of_the_study(tiny, write, tmp_path, threads, run):
    before = torch.get_num_threads()
    tiny["search"] |= {"trials": 1, "threads": threads}
    _, rows = run(prepare(write(tiny)), tmp_path / "run")
    assert {row.environment["threads"] for row in rows} == {str(threads or before)}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("loss", ["missing", "empty", "without rows"])
def test_results_beside_a_lost_ledger_are_not_written_over(tiny, write, tmp_path, loss):
    path = run_study(write(tiny), tmp_path / "run").path
    ledger = path / "ledger.db"
    before = {name: (path / name).read_bytes() for name in ("report.html", "trials.parquet", "winner.json")}
    if loss == "without rows":
        with closing(sqlite3.connect(ledger)) as connection, connection:
            connection.execute("DELETE FROM evaluations")
    else:
        ledger.unlink()
        ledger.write_bytes(b"") if loss == "empty" else (path / "trials.parquet").rename(path / "kept.parquet")
    with pytest.raises(RunError, match=r"and a ledger\.db without evaluations, or none.*put the ledger\.db of this"):
        run_study(write(tiny), path)
    if loss == "missing":
        (path / "kept.parquet").rename(path / "trials.parquet")
        with pytest.raises(RunError, match=r"keeps the table of a run.*and has no ledger\.db"):
            run_study(write(tiny), path)
    assert before == {name: (path / name).read_bytes() for name in before}
