"""An image that cannot be used."""

from __future__ import annotations

__all__ = ["Damaged"]


class Damaged(Exception):
    """An image that cannot be used, and why."""
