"""Files below a folder, and what their names say.

names      names compared as people read them; the usual names of splits
listing    the files below a folder, links followed
"""

from __future__ import annotations

__all__: list[str] = []
