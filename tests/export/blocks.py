"""What the export tests share."""

from attnspace import load_spec
from attnspace.language.identity import usual_channels


def channels_of(name: str) -> int:
    """Where a published block is possible."""
    return usual_channels(load_spec(name))
