"""The command line.

application   what commands register with, and what they share
tables        what is printed: tables and trees
runs          commands on studies and their runs
specs         commands on blocks and spaces

Exit status: 0 done, 1 a search or report that failed on the way, 2 bad input, 130 stopped by Ctrl-C, 143 by SIGTERM,
129 by SIGHUP.
What a command needs is imported when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from attnspace.cli import runs, specs
from attnspace.cli.application import app
from attnspace.errors import AttnspaceError, RunFailed

__all__ = ["app", "main", "run", "runs", "specs"]


def main() -> None:
    """Run the command line and exit."""
    status = run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # the reader has gone, as `| head` does
        pass
    # All is written. Taking torch's modules apart again would double the time of a short command.
    os._exit(status)


def run() -> int:
    """Run the command that `sys.argv` holds; its exit status."""
    try:
        outcome = app(standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except RunFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except AttnspaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has gone
        return 0
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # as click tells that
            return 0
        print(f"error: code that was called ended the process, by sys.exit({error.code!r})", file=sys.stderr)
        return 1
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            print(f"error: {_in_our_words(error)}", file=sys.stderr)
            return int(error.exit_code)
        raise
    return outcome if isinstance(outcome, int) else 0


def _in_our_words(error: Any) -> str:
    """A usage error of click's as one line, with the command that says what is right."""
    what = " ".join(error.format_message().split()).removesuffix(".").replace("Value error, ", "")
    command = error.ctx.command_path if getattr(error, "ctx", None) else "attnspace"
    return f"{what[:1].lower()}{what[1:]}; see {command} --help"
