"""The names of the places in a block of a backbone where a slot may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = ["Position"]

Position = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
"""A place in a block of a backbone. An adapter names its own; those of the built-in backbones are

pre        its input, seen by the residual branch and the shortcut
conv1      before the first convolution, in the residual branch only
conv2      before the second convolution, after the first one's BN and ReLU
conv3      before the third convolution of a bottleneck, after the second one's BN and ReLU
expand     after the expansion of an inverted residual, its BN and activation
depthwise  after the depthwise convolution of an inverted residual, its BN and activation: where CA stands
residual   after the last BN, before the addition: where SE, CBAM and ECA stand
post_add   the block's output: after the addition, and its ReLU if there is one
identity   on the shortcut
"""
