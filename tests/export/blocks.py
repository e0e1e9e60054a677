"""What the export tests share."""

from attnspace import load_spec
from attnspace.language.identity import usual_channels

REFUSE_ATTNSPACE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "attnspace":
            raise ImportError("attnspace is refused")

sys.meta_path.insert(0, Refuse())
"""
"""The beginning of a script that cannot import attnspace."""


def channels_of(name: str) -> int:
    """Where a published block is possible."""
    return usual_channels(load_spec(name))
