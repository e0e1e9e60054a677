import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from attnspace.record.results import load
from attnspace.report import render, write_report
from tests.made_run import made_run


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href") and tag in ("script", "link", "img")]


def test_the_page_needs_no_other_file(tmp_path):
    page = write_report(load(made_run(tmp_path / "run", trials=30))).read_text()
    links = Links()
    links.feed(page)
    assert [link for link in links.found if link and not link.startswith("data:")] == []
    assert "@import" not in page.split("</style>")[0]


def test_the_page_shows_every_section(tmp_path):
    page = render(load(made_run(tmp_path / "run", trials=30, failed=1)))
    for heading in (
        "Leaderboard",
        "Quality against size",
        "Learning curves",
        "The space as a whole",
        "The leading design, not confirmed",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert "Difference from SE" in page
    assert re.search(r"\d+ more are in trials\.parquet", page)


def test_reasons_are_text_not_markup(tmp_path):
    page = render(load(made_run(tmp_path / "run", trials=1, failed=1)))
    assert "RuntimeError: &lt;b&gt;out of memory" in page
    assert "<b>out of memory" not in page


@pytest.mark.parametrize("made", [{"trials": 0}, {"trials": 0, "baselines": False}, {"trials": 2, "baselines": False}])
def test_an_unfinished_run_has_a_page_too(tmp_path, made):
    assert "<h2>How it was done</h2>" in render(load(made_run(tmp_path / "run", **made)))


def test_a_design_with_a_block_for_each_stage_is_drawn_stage_by_stage(tmp_path):
    results = load(made_run(tmp_path / "run", trials=1))
    row = results.frame.index[results.frame["role"] == "trial"][0]
    block = {"kind": "gate", "squeeze": {"kind": "none"}}
    spec = {"block": {"per_stage": {"1": block, "3": block}}, "placement": {}}
    results.frame.at[row, "spec"] = spec
    page = render(results)
    assert "<h3>stage 1</h3>" in page
    assert page.count("<svg") >= 2


def test_the_page_opens_in_a_browser_without_an_error(tmp_path):
    """Every figure is drawn, and the console stays silent. Chromium is required: CI installs it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser, "no chromium: install it (Debian: apt-get install chromium)"
    path = write_report(load(made_run(tmp_path / "run", trials=30, failed=1)))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom", path.as_uri()]
    opened = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert opened.returncode == 0
    assert re.findall(r".*CONSOLE.*", opened.stderr) == []
    assert opened.stdout.count('class="main-svg"') >= 3
    assert opened.stdout.count("<tr") > 25
