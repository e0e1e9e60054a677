"""The application that commands register with, and what they share."""

from __future__ import annotations

import gc
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

__all__ = ["DataOption", "STARTED", "SettingsOption", "app", "command_line", "import_torch", "stoppable"]

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""The signals besides Ctrl-C's by which a process is asked to end."""

MOST_SIGNALS = 3
"""From so many of them on the next one ends the process at once."""

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


def command_line(name: str, what: Sequence[Path | str], *options: tuple[str, object]) -> list[str]:
    """The words of a command as it would be given again, with the options that were given: True is a flag."""
    given = [
        [option] if value is True else [option, str(value)] for option, value in options if value not in (None, False)
    ]
    return ["attnspace", name, *map(str, what), *(word for words in given for word in words)]


@contextmanager
def stoppable(command: Sequence[str]) -> Iterator[None]:
    """Say what Ctrl-C left, and how to go on with the command, from when all is imported; before, it ends the process.

    So do SIGTERM, by which schedulers and systems that go down ask a process to end, and SIGHUP, when its terminal has
    gone.

    Raises:
        typer.Exit: with status 130, or 128 and the number of the other signal, when it was said.
    """
    heard = [signal.SIGINT]

    def stop(number: int, frame: FrameType | None) -> None:
        heard.append(signal.Signals(number))
        if len(heard) > MOST_SIGNALS:  # code of the user's may catch everything: then the process ends at once
            signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:  # as it is not below `nohup`
            signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt as stopped:
        kept = getattr(stopped, "kept", None)  # of a search or a confirmation
        what = "before anything was begun" if kept is None else f"{kept} finished evaluations are kept"
        with suppress(OSError):  # the terminal may have gone
            print(f"stopped{' ' if kept is None else '; '}{what}. Go on with: {shlex.join(command)}", file=sys.stderr)
        raise typer.Exit(128 + heard[-1]) from None
    finally:
        for number, handler in before.items():
            if handler is not None and threading.current_thread() is threading.main_thread():
                signal.signal(number, handler)


def import_torch() -> None:
    """Import torch with garbage collection off: it makes a million objects and no garbage, so looking costs a tenth."""
    gc.disable()
    import torch  # noqa: F401

    gc.enable()
