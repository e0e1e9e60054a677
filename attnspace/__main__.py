"""The command `attnspace`, also `python -m attnspace`: Ctrl-C is heard before the commands are imported."""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the caller wants it ignored
        signal.signal(signal.SIGINT, _stop)
    from attnspace.cli import main as run

    run()


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave at once: an exception in the middle of an import is swallowed, or turned into another."""
    os.write(2, b"stopped before anything was begun\n")
    os._exit(130)


if __name__ == "__main__":
    main()
