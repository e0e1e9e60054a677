"""The application that commands register with, and what they share."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DataOption", "STARTED", "SettingsOption", "app", "import_torch"]

STARTED = time.perf_counter()

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="A YAML file whose keys take the place of the study's.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Where the images are; else $ATTNSPACE_DATA, or as the study says.")
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search which attention block, placed where, helps your network.",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"attnspace {version('attnspace')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    """Search which attention block, placed where, helps your network."""


def import_torch() -> None:
    """Import torch with garbage collection off: it makes a million objects and no garbage, so looking costs a tenth."""
    gc.disable()
    import torch  # noqa: F401

    gc.enable()
