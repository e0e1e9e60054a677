"""Searches whose designs stop at rungs and go on."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from attnspace.errors import RunError
from attnspace.record.checkpoints import Checkpoints
from attnspace.record.evaluation import Outcome
from attnspace.record.ledger import Ledger
from attnspace.record.results import load
from attnspace.search.feasibility import Feasibility
from attnspace.search.progress import Watcher
from attnspace.search.search import search as run_search
from attnspace.search.state import SearchState
from attnspace.search.suggester import Suggester
from attnspace.study.loading import prepare
from attnspace.training.epoch import Epoch
from tests.benchmarks.overhead import MadeUp
from tests.searching import StopAfter, StopAfterRows, facts


@pytest.fixture
def rungs(tiny):
    tiny["train"]["epochs"] = 4
    tiny["search"] |= {"trials": 8, "rungs": {"first": 1, "factor": 2, "seeds": 1}, "sampler": "evolution"}
    return tiny


def test_every_design_reaches_the_first_rung_and_the_best_half_of_each_goes_on(rungs, write, tmp_path, run):
    outcome, rows = run(prepare(write(rungs)), tmp_path / "run")
    trials = [row for row in rows if row.role == "trial"]
    at = {
        epochs: {row.design: row.metrics["val_accuracy"] for row in trials if row.epochs == epochs}
        for epochs in (1, 2, 4)
    }
    reached = [len(at[epochs]) for epochs in (1, 2, 4)]
    assert reached[0] == 8
    assert reached[1] in (4, 5)  # asynchronous: one may have gone on before a better one came
    assert reached[2] in (2, 3)
    assert set(at[4]) < set(at[2]) < set(at[1])
    assert max(at[1], key=at[1].get) in at[2]
    assert all(row.outcome == ("done" if row.epochs == 4 else "paused") for row in trials)
    assert all(row.epochs == 4 for row in rows if row.role == "baseline")
    assert outcome.epochs == 5 * 4 + 8 * 1 + reached[1] * 1 + reached[2] * 2
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_trial_keeps_its_number_from_rung_to_rung(rungs, write, tmp_path, run):
    _, rows = run(prepare(write(rungs)), tmp_path / "run")
    numbers: dict = {}
    for row in rows:
        if row.role == "trial":
            assert numbers.setdefault(row.design, row.trial) == row.trial
    assert sorted(numbers.values()) == list(range(8))


def test_a_design_that_was_promoted_is_the_design_trained_at_once(rungs, write, tmp_path, run):
    study = prepare(write(rungs))
    _, rows = run(study, tmp_path / "run")
    rungs["search"]["rungs"] = None
    plain = prepare(write(rungs, "plain.yaml"))
    _, whole = run(plain, tmp_path / "plain")
    at_once = {row.design: row for row in whole}
    both = [row for row in rows if row.outcome == "done" and row.design in at_once]
    assert len(both) >= 6
    for row in both:
        assert row.history == at_once[row.design].history


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2", "evolution", "exhaustive"])
def test_stopped_at_any_epoch_it_goes_on_as_if_it_had_not_been(rungs, write, tmp_path, run, sampler):
    rungs["search"]["sampler"] = sampler
    study = prepare(write(rungs))
    _, whole = run(study, tmp_path / "whole")
    for epochs in (21, 3, 1, 2):  # the first within the first trials; each of the others some epochs later
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path / "parts", StopAfter(epochs))
    _, parts = run(study, tmp_path / "parts")
    assert facts(parts) == facts(whole)


def test_without_its_checkpoints_a_search_comes_to_the_same(rungs, write, tmp_path, run):
    study = prepare(write(rungs))
    _, whole = run(study, tmp_path / "whole")
    ledger = Ledger(tmp_path / "ledger.db")
    run_search(study, ledger, Watcher(), Checkpoints(None))
    assert facts(ledger.rows()) == facts(whole)


class Damaging(Watcher):
    """Cuts every checkpoint in half as soon as it is there."""

    def __init__(self, folder) -> None:
        super().__init__()
        self.folder = folder

    def design_ends(self, row) -> None:
        for path in self.folder.glob("*.pt"):
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])


def test_damaged_checkpoints_cost_time_alone(rungs, write, tmp_path, run):
    study = prepare(write(rungs))
    _, whole = run(study, tmp_path / "whole")
    _, damaged = run(study, tmp_path / "run", Damaging(tmp_path / "run" / "checkpoints"))
    assert facts(damaged) == facts(whole)


def test_several_objectives_promote_what_few_dominate(rungs, write, tmp_path, run):
    rungs["objective"] = {"maximize": "val_accuracy", "minimize": "params"}
    rungs["search"]["sampler"] = "nsga2"
    _, rows = run(prepare(write(rungs)), tmp_path / "run")
    trials = [row for row in rows if row.role == "trial"]
    first = [row for row in trials if row.epochs == 1]
    front = {
        row.design
        for row in first
        if not any(
            other.metrics["val_accuracy"] >= row.metrics["val_accuracy"]
            and other.costs["params"] <= row.costs["params"]
            and (other.metrics["val_accuracy"], -other.costs["params"])
            != (row.metrics["val_accuracy"], -row.costs["params"])
            for other in first
        )
    }
    promoted = {row.design for row in trials if row.epochs == 2}
    assert (
        len(front & promoted) >= min(len(front), len(promoted)) - 2
    )  # asynchronous: not all were there when it was chosen
    assert len(promoted) >= 4


@pytest.fixture
def seeds(tiny):
    """Two epochs, and four seeds for the best."""
    tiny["train"]["epochs"] = 2
    tiny["search"] |= {"trials": 8, "rungs": {"first": 1, "factor": 2, "seeds": 4}, "sampler": "evolution"}
    return tiny


def under(rows) -> dict[str, list[int]]:
    """Design -> the seeds under which it was trained to the end, in their order."""
    found: dict[str, list[int]] = {}
    for row in rows:
        if row.role == "trial" and row.outcome == "done":
            found.setdefault(row.design, []).append(row.seed)
    return found


def test_beyond_the_last_epoch_the_best_half_of_each_rung_goes_on_to_further_seeds(seeds, write, tmp_path, run):
    study = prepare(write(seeds))
    assert study.rungs == ((1, 1), (2, 1), (2, 2), (2, 4))
    _, rows = run(study, tmp_path / "run")
    trained = under(rows)
    counts = sorted(map(len, trained.values()))
    assert set(counts) <= {1, 2, 4}
    assert counts[-1] == 4
    assert len(trained) // 2 <= sum(count > 1 for count in counts) <= len(trained) // 2 + 1
    assert all(found == list(range(len(found))) for found in trained.values())
    ends = {(row.design, row.seed): row.metrics["val_accuracy"] for row in rows if row.outcome == "done"}
    first = {design: ends[design, 0] for design in trained}
    assert len(trained[max(first, key=first.get)]) > 1
    assert {row.trial for row in rows if row.role == "trial"} == set(range(8))


def test_a_first_rung_at_the_end_trains_every_design_to_the_end(seeds, write, tmp_path, run):
    seeds["search"]["rungs"]["first"] = 2
    study = prepare(write(seeds))
    assert study.rungs == ((2, 1), (2, 2), (2, 4))
    _, rows = run(study, tmp_path / "run")
    assert len(under(rows)) == 8
    assert {row.outcome for row in rows} == {"done"}


def test_progress_counts_designs_and_not_their_seeds(seeds, write, tmp_path, run):
    watcher = Watcher(Console(file=(said := io.StringIO()), width=300))
    run(prepare(write(seeds)), tmp_path / "run", watcher)
    counts = [line.split()[0] for line in said.getvalue().splitlines() if "val_accuracy" in line]
    total = int(counts[-1].split("/")[1])
    assert counts[-1] == f"{total}/{total}"
    assert "left" in said.getvalue()
    assert "-" not in "".join(line.rsplit("; ", 1)[-1] for line in said.getvalue().splitlines() if "left" in line)


def test_a_further_seed_is_a_whole_training_of_the_same_trial(seeds, write, tmp_path, run):
    _, rows = run(prepare(write(seeds)), tmp_path / "run")
    numbers = {row.design: row.trial for row in rows if row.role == "trial" and row.seed == 0}
    further = [row for row in rows if row.seed > 0]
    assert further
    for row in further:
        assert row.trial == numbers[row.design]
        assert len(row.history) == row.epochs == 2


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
@pytest.mark.parametrize("rows_before", range(20, 29, 2))
def test_stopped_among_the_seeds_it_goes_on_as_if_it_had_not_been(seeds, write, tmp_path, run, sampler, rows_before):
    seeds["search"]["sampler"] = sampler
    study = prepare(write(seeds))
    _, whole = run(study, tmp_path / "whole")
    stopped = min(rows_before, len(whole) - 1)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "parts", StopAfterRows(stopped))
    _, parts = run(study, tmp_path / "parts")
    assert facts(parts) == facts(whole)


def test_a_loop_that_cannot_pause_goes_on_in_seeds(tiny, write, tmp_path, run):
    (tmp_path / "loop.py").write_text(
        "def train(model, task):\n    return {'val_accuracy': 0.5 + 0.01 * (task.seed % 2), 'val_loss': 1.0}\n"
    )
    tiny["train"] = {"import": "loop.py:train"}
    tiny["search"] |= {"trials": 6, "rungs": {"factor": 2, "seeds": 2}, "sampler": "random"}
    study = prepare(write(tiny))
    assert [seeds for _, seeds in study.rungs] == [1, 2]
    _, rows = run(study, tmp_path / "run")
    assert sorted(map(len, under(rows).values())) == [1, 1, 1, 2, 2, 2]


def test_a_design_that_fails_under_a_further_seed_is_no_candidate(seeds, write, tmp_path, run, monkeypatch):
    from attnspace.training.training import Training

    real = Training.__init__

    def fails(self, network, data, recipe, seed, *args, **kwargs):
        if seed == 1:
            raise RuntimeError("diverged")
        real(self, network, data, recipe, seed, *args, **kwargs)

    monkeypatch.setattr(Training, "__init__", fails)
    _, rows = run(prepare(write(seeds)), tmp_path / "run")
    failed = {row.design for row in rows if row.outcome == "failed"}
    assert failed
    results = load(tmp_path / "run")
    assert not failed & set(results.ranked()["design"])
    assert all(row.seed < 2 for row in rows)


def test_a_design_that_fails_after_a_promotion_does_not_go_on(rungs, write, tmp_path, run, monkeypatch):
    from attnspace.training.training import Training

    real = Training.run

    def fails(self, until, on_epoch=lambda epoch: None):
        if until == 2:
            raise RuntimeError("out of memory")
        return real(self, until, on_epoch)

    monkeypatch.setattr(Training, "run", fails)
    _, rows = run(prepare(write(rungs)), tmp_path / "run")
    failed = [row for row in rows if row.outcome == "failed"]
    assert len(failed) == 8  # one after the other, since none gets to the end
    assert {row.epochs for row in failed} == {2}
    assert not [row for row in rows if row.role == "trial" and row.epochs == 4]


def test_checkpoints_that_cannot_be_written_end_the_search_with_their_reason(rungs, write, tmp_path):
    from attnspace.errors import RunFailed

    (tmp_path / "file").write_text("")
    study = prepare(write(rungs))
    with pytest.raises(RunFailed, match=r"file/checkpoints: cannot be made: Not a directory"):
        run_search(study, Ledger(tmp_path / "ledger.db"), Watcher(), Checkpoints(tmp_path / "file" / "checkpoints"))


def test_what_is_kept_is_read_again_and_what_is_not_is_gone(tmp_path):
    kept = Checkpoints(tmp_path / "checkpoints")
    kept.save("a", 0, 3, {"x": torch.ones(2)})
    kept.save("b", 0, 3, {"x": torch.zeros(2)})
    assert kept.count() == 2
    assert torch.equal(kept.load("a", 0, 3)["x"], torch.ones(2))
    assert kept.load("a", 1, 3) is None
    kept.keep({Checkpoints.name("b", 0, 3)})
    assert kept.load("a", 0, 3) is None
    kept.drop("b", 0, 3)
    kept.clear()
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_a_small_search_has_a_design_trained_to_the_end(rungs, write, tmp_path, run, trials):
    rungs["search"] |= {"trials": trials, "rungs": {"first": 1, "factor": 4, "seeds": 1}}
    _, rows = run(prepare(write(rungs)), tmp_path / "run")
    done = [row for row in rows if row.role == "trial" and row.outcome == "done"]
    assert len(done) == 1
    first = {row.design: row.metrics["val_accuracy"] for row in rows if row.role == "trial" and row.epochs == 1}
    assert first[done[0].design] == max(first.values())


@pytest.mark.parametrize("goals", [{"maximize": "val_accuracy"}, {"maximize": "val_accuracy", "minimize": "params"}])
def test_a_search_whose_first_rung_nobody_reaches_ends(rungs, write, tmp_path, run, goals, monkeypatch):
    from attnspace.training.training import Training

    def fails(self, until, on_epoch=None):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Training, "run", fails)
    rungs["objective"] = goals
    outcome, rows = run(prepare(write(rungs)), tmp_path / "run")
    assert outcome.evaluations == len(rows)
    assert len(rows) == 13
    assert {row.outcome for row in rows} == {"failed"}


def test_a_record_whose_designs_wait_on_other_rungs_is_refused_with_the_remedy(rungs, write, tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    run_search(prepare(write(rungs)), ledger, Watcher())
    rungs["search"]["rungs"]["first"] = 2
    said = r"was begun with other rungs: its designs were stopped at epochs \[1, 2\]; got \[2, 4\]; .*first: 1, here"
    with pytest.raises(RunError, match=said):
        run_search(prepare(write(rungs)), ledger, Watcher())


def test_a_first_rung_where_the_learning_rate_still_rises_has_a_note(rungs, write):
    rungs["train"] |= {"epochs": 20, "schedule": "one_cycle"}
    (note,) = (note for note in prepare(write(rungs)).notes if "rung" in note)
    assert note.startswith("the first rung, at epoch 1, lies where the learning rate still rises, until epoch 5: ")
    assert note.endswith("search.rungs.first: 10 comes after it")
    rungs["search"]["rungs"]["first"] = 10
    later = prepare(write(rungs))
    assert not [note for note in later.notes if "rung" in note]
    rungs["search"]["rungs"]["first"] = None
    assert prepare(write(rungs)).rungs == later.rungs


@pytest.fixture
def luck(rungs, monkeypatch):
    """What designs reach is luck, at the rung and at the end; or `related`, at the end about what it was at the rung."""
    from attnspace.training.training import Training

    rungs["search"] |= {"trials": 40, "rungs": {"first": 2, "factor": 2, "seeds": 1}, "sampler": "random"}

    def begin(*, related: bool) -> None:
        rng = np.random.default_rng(1)

        def epoch(self, number):
            before = self.history[-1].metrics["val_accuracy"] if related and self.history else rng.uniform(0.3, 0.7)
            reached = float(before + 0.01 * rng.normal())
            return Epoch(number, {"train_loss": 1.0, "val_loss": 1.0, "val_accuracy": reached, "lr": 0.1})

        monkeypatch.setattr(Training, "_epoch", epoch)

    return begin


def test_a_rung_that_tells_nothing_of_the_end_stops_no_new_design(rungs, luck, write, tmp_path, run):
    luck(related=False)
    watcher = Noting()
    _, rows = run(prepare(write(rungs)), tmp_path / "run", watcher)
    assert 10 < len({row.design for row in rows if row.outcome == "paused"}) < 30
    (note,) = watcher.notes
    assert note == (
        "new designs are trained past epoch 2 while what designs reach there hardly tells what they reach at epoch 4, "
        "as it does now"
    )


def test_a_rung_that_tells_of_the_end_stops_every_design(rungs, luck, write, tmp_path, run):
    luck(related=True)
    watcher = Noting()
    _, rows = run(prepare(write(rungs)), tmp_path / "run", watcher)
    assert len({row.design for row in rows if row.outcome == "paused"}) == 40
    assert watcher.notes == []


def test_stopped_about_where_a_rung_is_passed_by_it_goes_on_as_if_it_had_not_been(rungs, luck, write, tmp_path, run):
    study = prepare(write(rungs))
    luck(related=False)
    _, whole = run(study, tmp_path / "whole")
    luck(related=False)
    for rows in (30, 8, 1, 1, 5):
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path / "parts", StopAfterRows(rows))
    _, parts = run(study, tmp_path / "parts")
    assert facts(parts) == facts(whole)


class Noting(Watcher):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, what: str) -> None:
        self.notes.append(what)


@pytest.mark.parametrize("sampler", ["forest", "evolution"])
def test_a_search_that_is_recalled_knows_what_it_did(tiny, write, tmp_path, sampler):
    """At every row: what the sampler was told, who goes on, and how far new designs are trained."""
    tiny["train"]["epochs"] = 9
    tiny["search"] |= {"trials": 40, "sampler": "random", "rungs": {"first": 1, "factor": 3, "seeds": 4}}
    tiny["space"]["block"]["excite"] = [{"kind": "fc", "reduction": {"$choice": [1, 2, 3, 4, 5, 6, 7, 8]}}]
    study = prepare(write(tiny))
    ledger = Ledger(tmp_path / "ledger.db")
    run_search(replace(study, method=MadeUp(9, dict(Feasibility(study).costs(study.plain)))), ledger, Watcher())
    rows = [replace(row, protocol=study.protocol) for row in ledger.rows()]
    failing = {row.design: number for number, row in enumerate(rows) if number % 13 == 12}
    rows = [
        replace(row, outcome=Outcome.FAILED, reason="memory") if failing.get(row.design) == number else row
        for number, row in enumerate(rows)
        if number <= failing.get(row.design, number)
    ]
    assert {row.seed for row in rows} >= {0, 1}
    for number in (0, 7, 20, 21, 33, len(rows)):
        one, other = (SearchState(study, Suggester(study.space, sampler, 0, ["maximize"])) for _ in range(2))
        for row in rows[:number]:
            one.add(row)
        other.recall(rows[:number])
        for state in (one, other):
            state.refresh()
        np.testing.assert_array_equal(*(state._suggester._history.points for state in (one, other)))
        assert one.halving.promotion() == other.halving.promotion()
        assert one.next_seed() == other.next_seed()
        assert (one.first_stop(), one.next_number(), one.trials) == (
            other.first_stop(),
            other.next_number(),
            other.trials,
        )
