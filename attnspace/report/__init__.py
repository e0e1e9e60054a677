"""A run as one HTML file: frames are computed, then drawn, then put on a page."""

from __future__ import annotations

from attnspace.report.page import render, write_report

__all__ = ["render", "write_report"]
