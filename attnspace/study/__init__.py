"""A study: its file, its designs, its ledger, and the search."""

from __future__ import annotations

from attnspace.study.config import StudyConfig, load_config
from attnspace.study.design import Design, Study, prepare
from attnspace.study.ledger import Evaluation, Ledger
from attnspace.study.progress import Watcher
from attnspace.study.run import Run
from attnspace.study.search import Outcome, Search, search

__all__ = [
    "Design",
    "Evaluation",
    "Ledger",
    "Outcome",
    "Run",
    "Search",
    "Study",
    "StudyConfig",
    "Watcher",
    "load_config",
    "prepare",
    "search",
]
