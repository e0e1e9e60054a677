"""A folder that keeps the table of a run alone: `trials.parquet`, which says in its metadata which study it is of."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from attnspace.errors import RunError
from attnspace.record.answers import packed_right, unpacked_right
from attnspace.record.plan import ConfirmationPlan

__all__ = [
    "LEDGER_FILE",
    "TABLE_FILE",
    "is_kept",
    "kept_images",
    "kept_plan",
    "kept_right",
    "metadata",
    "read_kept",
    "require_ledger",
]

LEDGER_FILE, TABLE_FILE = "ledger.db", "trials.parquet"

_STUDY, _IMAGES, _PLAN, _RIGHT = (b"attnspace." + name for name in (b"study", b"images", b"plan", b"right"))
"""The keys of the table's metadata: the study, what its images are, the plan of its confirmation, and which answers to
test images were right, as JSON text."""


def is_kept(run: Path) -> bool:
    """Whether a folder keeps the table of a run, and not the ledger that it was written from."""
    return (run / TABLE_FILE).is_file() and not (run / LEDGER_FILE).exists()


def read_kept(run: Path) -> tuple[Mapping[str, Any], pd.DataFrame]:
    """The study and the table of such a folder, as they were written.

    Raises:
        RunError: the table cannot be read, or does not say which study it is of.
    """
    file = run / TABLE_FILE
    try:
        table = pq.read_table(file)
        study = json.loads((table.schema.metadata or {}).get(_STUDY, b"null"))
        frame = table.to_pandas()
    except (OSError, ValueError, pa.ArrowException) as cause:
        raise RunError(
            f"cannot be read: {str(cause).splitlines()[0]}",
            file=str(file),
            allowed="the trials.parquet of a finished run",
            remedy="restore it, or copy the whole run directory",
        ) from None
    if study is None:
        raise RunError(
            "does not say which study it is of",
            file=str(file),
            allowed="a trials.parquet that attnspace wrote",
            remedy="write it again where the run is, with: attnspace report RUN",
        )
    return study, frame


def kept_images(run: Path) -> Mapping[str, Any]:
    """What the table says of the images; empty in one that an earlier version wrote."""
    found: Mapping[str, Any] = json.loads((pq.read_schema(run / TABLE_FILE).metadata or {}).get(_IMAGES, b"{}"))
    return found


def kept_plan(run: Path) -> ConfirmationPlan | None:
    """The plan of the confirmation; None where there is none."""
    text = (pq.read_schema(run / TABLE_FILE).metadata or {}).get(_PLAN)
    return None if text is None else ConfirmationPlan.from_json(text.decode())


def metadata(
    study: Mapping[str, Any],
    images: Mapping[str, Any],
    plan: ConfirmationPlan | None,
    right: Mapping[tuple[str, int], np.ndarray] | None,
) -> dict[bytes, bytes]:
    """What a table says of its run, for the functions of this file to read."""
    about = {_STUDY: json.dumps(study), _IMAGES: json.dumps(images)}
    if plan is not None:
        about[_PLAN] = plan.to_json()
    if right:
        about[_RIGHT] = packed_right(right)
    return {key: text.encode() for key, text in about.items()}


def kept_right(run: Path) -> dict[tuple[str, int], np.ndarray]:
    """Design and seed of a confirmed network -> which of its answers were right; empty where the table does not say.

    Raises:
        RunError: it is damaged.
    """
    text = (pq.read_schema(run / TABLE_FILE).metadata or {}).get(_RIGHT, b"[]")
    try:
        return unpacked_right(text.decode())
    except (TypeError, ValueError, zlib.error) as cause:
        raise RunError(f"is damaged: {cause}", file=str(run / TABLE_FILE), remedy="restore it") from None


def require_ledger(run: Path, what: str) -> None:
    """Refuse a folder that keeps the table alone, for something that needs the whole run.

    Args:
        run: the folder.
        what: what needs the whole run, such as "a confirmation".

    Raises:
        RunError: saying what is missing, and what can be done.
    """
    if is_kept(run):
        missing = [name for name in (LEDGER_FILE, "study.yaml") if not (run / name).is_file()]
        raise RunError(
            f"keeps the table of a run, {TABLE_FILE}, and has no {' and no '.join(missing)}, which {what} needs",
            file=str(run),
            allowed="a directory that `search` wrote, whole",
            remedy="give the run's own directory, or search its study anew; `attnspace report` and attnspace.frame "
            "read the table as it is",
        )
