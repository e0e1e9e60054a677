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
"""The channel counts to measure a block at: the first of them at which it is possible is taken."""


def resolve(spec: SpecLike, channels: int) -> Block:
    """The canonical form of a spec at C channels, which is what the compiler builds from.

    Raises:
        SpecError: the spec is not possible at this channel count.
    """
    if not isinstance(channels, int) or not 1 <= channels <= MAX_WIDTH:
        raise SpecError(
            "a block needs at least one channel, a whole number", got=channels, allowed=f"1 to {MAX_WIDTH:,}"
        )
    return as_block(spec).resolve(channels)


def identity(spec: SpecLike, channels: int | Iterable[int] = 64) -> str:
    """A short hash: two specs with the same hash are one design at these channel counts.

    Synonyms of the language have the same hash: a rule and the number it gives, with and without a part that has no
    effect, parts in any order where order does not matter, blocks nested or in one list. Two specs that only
    mathematics shows to be equal may have different hashes.

    Raises:
        SpecError: the spec is not possible at one of the channel counts.
    """
    counts = [channels] if isinstance(channels, int) else sorted(set(channels))
    if not counts:
        raise SpecError("identity needs at least one channel count")
    forms = [[count, dump_spec(resolve(spec, count).canonical())] for count in counts]
    return hashlib.sha256(json.dumps(forms, sort_keys=True).encode()).hexdigest()[:16]


def usual_channels(block: Block) -> int:
    """The first usual channel count at which a block is possible; the first one if it is possible at none."""
    for channels in USUAL_CHANNELS:
        with suppress(SpecError):  # groups that do not divide
            block.resolve(channels)
            return channels
    return USUAL_CHANNELS[0]
