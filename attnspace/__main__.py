"""`python -m attnspace`."""

from __future__ import annotations

from attnspace.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
