"""Designs that a winner is compared with to learn where its gain comes from."""

from __future__ import annotations

from dataclasses import replace

import torch

from attnspace.costs.network import trainable
from attnspace.modules.activation import activate
from attnspace.placement.document import DesignDocument
from attnspace.placement.placement import plan_blocks
from attnspace.primitives import Block
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.layers import MapLayers
from attnspace.primitives.blocks.parallel import Parallel
from attnspace.primitives.blocks.residual import Residual
from attnspace.primitives.blocks.rezero import Rezero
from attnspace.primitives.blocks.select import Select
from attnspace.primitives.blocks.sequential import Sequential
from attnspace.primitives.blocks.split import Split
from attnspace.primitives.layers.affine import Affine
from attnspace.record.evaluation import Role
from attnspace.study.design import Design
from attnspace.study.study import Study

__all__ = ["CONSTANT", "MATCHED", "constant", "constant_gates", "matched"]

MATCHED, CONSTANT = "matched", "constant"


def matched(study: Study, winner: Design) -> Design | None:
    """The plain backbone, widened by as many parameters as the winner adds, as far as whole channels go.

    Returns:
        None if the winner adds fewer parameters than one channel costs: then the plain backbone is its match.
    """
    plain = study.plain
    have, base = (trainable(study.spare_network(design)) for design in (winner, plain))
    config = study.config.backbone.widened(max(0, have - base))
    if config == study.config.backbone:
        return None
    return replace(plain, role=Role.CONTROL, name=MATCHED, backbone=config)


def constant(study: Study, winner: Design) -> Design | None:
    """The winner with every gate replaced by a learned number for each channel, which does not look at the image.

    Returns:
        None if it has no gate.
    """
    document = winner.document
    blocks = document.blocks.mapped(constant_gates)
    if blocks == document.blocks:
        return None
    return replace(
        winner,
        role=Role.CONTROL,
        name=CONSTANT,
        document=DesignDocument.of(blocks, document.placement),
        plan=plan_blocks(study.slots, document.placement, blocks),
        choices={},
    )


def constant_gates(block: Block) -> Block:
    """The block with gates, and formulas that act like one, replaced by a learned scale for each channel; where a gate
    is added, by a learned scale and shift. Convolutions that a selection chooses among stay, weighted by constants.

    A scale starts at the gate's value for a logit of 0, or at 1 where that is 0. A selection after a stem stays.
    """
    match block:
        case Gate(apply="add"):
            return _affine(scale=1.0, shift=0.0)
        case Gate():
            at_zero = float(activate(block.activation, 1)(torch.zeros(1, 1, 1, 1)))
            return _affine(scale=at_zero or 1.0, shift=None)
        case Sequential() | Parallel():
            return block.with_(blocks=tuple(map(constant_gates, block.blocks)))
        case Residual() | Rezero():
            return block.with_(block=constant_gates(block.block))
        case Split():
            return block.with_(blocks=tuple(map(constant_gates, block.blocks)))
        case MapLayers():
            return block
        case Select(stem=()):
            weight = Affine(scale=1 / len(block.branches), shift=None)
            return Parallel(blocks=tuple(MapLayers(layers=(*layers, weight)) for layers in block.branches))
        case Select():
            return block
    if block.kind == "identity":
        return block
    return _affine(scale=1.0, shift=None)


def _affine(scale: float, shift: float | None) -> Block:
    return MapLayers(layers=(Affine(scale=scale, shift=shift),))
