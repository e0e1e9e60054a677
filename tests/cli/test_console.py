"""Tables of runs, as the command line prints them."""

import sqlite3

import pytest
from rich.console import Console

from attnspace.analysis.verdict import confirmation
from attnspace.cli.tables import confirmation_table, summary_table
from attnspace.record.results import load
from tests.made_run import made_run


def printed(table) -> str:
    console = Console(width=300)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.fixture
def bracketed(tmp_path):
    """A confirmed run whose labels have brackets, as selections and placements do."""
    path = made_run(tmp_path / "run", trials=8, confirmed=4)
    with sqlite3.connect(path / "ledger.db") as connection:
        connection.execute("UPDATE evaluations SET label = 'select[conv3 | conv5]' WHERE role = 'trial'")
    connection.close()
    return load(path)


def test_brackets_in_labels_are_no_markup(bracketed):
    assert "select[conv3 | conv5]" in printed(summary_table(bracketed))
    assert "select[conv3 | conv5]" in printed(confirmation_table(confirmation(bracketed)))


def test_a_confirmed_run_shows_its_verdict_and_no_caution(bracketed, tmp_path):
    shown = " ".join(printed(summary_table(bracketed)).split())
    assert "the best baseline" in shown
    assert "It is not confirmed" not in shown
    other = printed(summary_table(load(made_run(tmp_path / "other", trials=8))))
    assert "It is not confirmed" in " ".join(other.split())


def test_the_best_trials_are_shown_however_good_the_baselines_are(bracketed):
    shown = printed(summary_table(bracketed))
    assert shown.count("select[conv3 | conv5]") >= 5
    assert shown.count("(baseline)") == 5
    assert "3 more designs are in the report." in shown


def test_costs_that_the_study_speaks_of_have_a_column(tmp_path):
    objective = {"maximize": "val_accuracy", "minimize": ["params", "activation_bytes"]}
    shown = printed(summary_table(load(made_run(tmp_path / "run", trials=3, objective=objective))))
    assert "activation_bytes" in shown.splitlines()[0]
