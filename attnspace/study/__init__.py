"""A study: its file, its designs, its ledger, and the search."""

from __future__ import annotations

from attnspace.study.appraisal import Appraisal
from attnspace.study.checkpoints import Checkpoints
from attnspace.study.config import StudyConfig, load_config
from attnspace.study.confirm import confirm
from attnspace.study.design import Design, Study
from attnspace.study.ledger import Evaluation, Ledger
from attnspace.study.migration import Migration, migrate
from attnspace.study.preparation import prepare, prepare_run
from attnspace.study.progress import Watcher
from attnspace.study.run import Run
from attnspace.study.search import Outcome, Search, search

__all__ = [
    "Appraisal",
    "Checkpoints",
    "Design",
    "Evaluation",
    "Ledger",
    "Migration",
    "Outcome",
    "Run",
    "Search",
    "Study",
    "StudyConfig",
    "Watcher",
    "confirm",
    "load_config",
    "migrate",
    "prepare",
    "prepare_run",
    "search",
]
