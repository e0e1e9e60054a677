"""What a spec is at C channels, and when two specs are one design."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress

from attnspace.errors import SpecError
from attnspace.language.specs import SpecLike, as_block, dump_spec
from attnspace.primitives import Block
from attnspace.primitives.reduction import MAX_WIDTH

__all__ = ["USUAL_CHANNELS", "identity", "resolve", "usual_channels"]

USUAL_CHANNELS = (64, 128)
"""Where a block is measured: the first count at which it is possible."""


def resolve(spec: SpecLike, channels: int) -> Block:
    """The canonical form at C channels, which is what the compiler consumes.

    Raises:
        SpecError: not possible at this channel count.
    """
    if not isinstance(channels, int) or not 1 <= channels <= MAX_WIDTH:
        raise SpecError(
            "a block needs at least one channel, a whole number", got=channels, allowed=f"1 to {MAX_WIDTH:,}"
        )
    return as_block(spec).resolve(channels)


def identity(spec: SpecLike, channels: int | Iterable[int] = 64) -> str:
    """A short hash: two specs with the same hash are one design at these channel counts.

    Synonyms of the language have the same hash: rules and the numbers they give, what has no effect, what commutes,
    what nests. Two specs that only mathematics shows to be equal may have two.

    Raises:
        SpecError: not possible at one of the channel counts.
    """
    counts = [channels] if isinstance(channels, int) else sorted(set(channels))
    if not counts:
        raise SpecError("identity needs at least one channel count")
    forms = [[count, dump_spec(resolve(spec, count).canonical())] for count in counts]
    return hashlib.sha256(json.dumps(forms, sort_keys=True).encode()).hexdigest()[:16]


def usual_channels(block: Block) -> int:
    """The first of the usual channel counts at which a block is possible; the first of all if it is at none."""
    for channels in USUAL_CHANNELS:
        with suppress(SpecError):  # groups that do not divide
            block.resolve(channels)
            return channels
    return USUAL_CHANNELS[0]
