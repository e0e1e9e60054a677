"""A run as one HTML file: frames are computed, then drawn, then put on a page.

compute   what the report shows, as frames
figures   frames into plotly figures
page      the page, from a template
"""

from __future__ import annotations

from attnspace.report.page import render, write_report

__all__ = ["render", "write_report"]
