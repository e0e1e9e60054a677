"""A run's results as files: the report, the table and the winner."""

from __future__ import annotations

from pathlib import Path

from attnspace.analysis.winner import write_winner
from attnspace.record.results import Results, load, write_table
from attnspace.report.page import write_report

__all__ = ["report_run"]


def report_run(run: str | Path) -> Results:
    """Write `report.html`, `trials.parquet` and `winner.json` from what a run has recorded.

    Raises:
        RunError: the directory is no run, or is damaged.
        RunFailed: the files cannot be written.
    """
    results = load(run)
    write_table(results)
    write_winner(results)
    write_report(results)
    return results
