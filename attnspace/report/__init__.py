"""A run as one HTML file: frames are computed, then drawn, then put on a page.

compute   what the report shows, as frames
figures   frames into plotly figures
page      the page, from a template
run       report, table and winner of a run, written as files
"""

from __future__ import annotations

from attnspace.report.page import render, write_report
from attnspace.report.run import report_run

__all__ = ["render", "report_run", "write_report"]
