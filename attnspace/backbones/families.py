"""The slots of known families of models, for studies that give none.

Every entry says for each position where it is: `pre` before a block, `residual` at the end of its branch, before the
addition, `post_add` after the block. The first entry that a model has all modules of, and whose slots can be opened,
counts; so entries that say more come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from attnspace.costs.inputs import Inputs
from attnspace.costs.probe import Probe, copied, look
from attnspace.errors import NOTHING, PlacementError
from attnspace.placement.openings import add_sites
from attnspace.placement.patterns import can_open, suggested, user_modules

__all__ = ["FAMILIES", "open_known"]

Slots = Mapping[str, str | Mapping[str, Any]]


def _fitting(pattern: str, kind: str | None = None) -> dict[str, Any]:
    return {"after": pattern, "fitting": True} | ({"type": kind} if kind else {})


def _block(block: str, branch: str | None = None, kind: str | None = None) -> Slots:
    """The slots around blocks of a name, and of a class, and at the end of their branches."""
    around = {"fitting": True} | ({"type": kind} if kind else {})
    inner = {"residual": _fitting(branch)} if branch else {}
    return {"pre": {"before": block, **around}, **inner, "post_add": {"after": block, **around}}


FAMILIES: tuple[Slots, ...] = (
    # HRNet of timm: the branches of each resolution. Its first stage is a ResNet's, which would be found alone below.
    _block("stage*.*.branches.*.*", "stage*.*.branches.*.*.bn2"),
    # ResNets of bottlenecks and of basic blocks, of timm and torchvision, and what is built on them.
    {"pre": {"before": "layer*.*"}, "residual": "layer*.*.bn3", "post_add": "layer*.*"},
    {"pre": {"before": "layer*.*"}, "residual": "layer*.*.bn2", "post_add": "layer*.*"},
    _block("layer*.*", "layer*.*.conv3.bn"),  # SKNet of timm
    _block("layer*.*", "layer*.*.conv2.bn"),
    _block("body.layer*.*"),  # TResNet of timm
    # Inverted residuals of timm: EfficientNet, MobileNetV2 and V3, MNASNet, FBNet; then GhostNet and MobileNetV4.
    {"depthwise": {"before": "blocks.*.*.conv_pwl"}, "residual": "blocks.*.*.bn3"},
    _block("blocks.*.[0-9]*", "blocks.*.[0-9]*.ghost2"),
    _block("blocks.*.[0-9]*", "blocks.*.[0-9]*.pw_proj"),
    # MobileNetV2 of torchvision, then MobileNetV3, EfficientNet and ConvNeXt, MNASNet.
    {
        "depthwise": {"after": "features.*.conv.1", "type": "Conv2dNormActivation"},
        "residual": {"after": "features.*.conv.3", "type": "BatchNorm2d"},
    },
    _block("features.*", "features.*.block", "InvertedResidual"),
    {"residual": _fitting("features.*.*.block")},
    {"residual": _fitting("layers.*.*.layers"), "post_add": _fitting("layers.*.*", "_InvertedResidual")},
    # RegNets of timm and torchvision.
    _block("s[0-9]*.b[0-9]*", "s[0-9]*.b[0-9]*.conv3.bn"),
    _block("trunk_output.block*.*", "trunk_output.block*.*.f"),
    # Swin of torchvision and timm, whose maps are (N, H, W, C); VMamba and the like have layers of blocks too.
    _block("features.*.*", "features.*.*.mlp", "SwinTransformerBlock"),
    _block("layers.*.blocks.*", "layers.*.blocks.*.drop_path1"),
    _block("layers.*.blocks.*"),
    # Stages of blocks of timm: ConvNeXt, ResNetV2, EdgeNeXt, VoVNet, CSPNet, MetaFormer; RegNetZ, NFNet, RepVGG.
    _block("stages.*.blocks.*", "stages.*.blocks.*.drop_path"),
    _block("stages.*.blocks.*", "stages.*.blocks.*.drop_path2"),
    _block("stages.*.blocks.*", "stages.*.blocks.*.drop_path1"),
    _block("stages.*.[0-9]*", "stages.*.[0-9]*.drop_path"),
    _block("stages.*.blocks.*"),
    _block("stages.*.[0-9]*"),
    _block("blocks.*.[0-9]*"),
    # DenseNets: what a layer adds to the map, and what a block hands on.
    {"residual": _fitting("features.denseblock*.denselayer*"), "post_add": _fitting("features.denseblock*")},
    {"post_add": _fitting("dense_stages.*.*")},
    # DLA of timm: trees of bottlenecks or of basic blocks.
    {"residual": _fitting("level*.**.bn3")},
    {"residual": _fitting("level*.**.bn2")},
    # ShuffleNet, MaxViT, GoogLeNet and Inception of torchvision and timm.
    _block("stage[0-9]*.[0-9]*", "stage[0-9]*.[0-9]*.branch2"),
    _block("blocks.*.layers.*"),
    {"post_add": _fitting("[Ii]nception*")},
    {"post_add": _fitting("[Mm]ixed_*")},
    # ReXNet and DPN of timm, SqueezeNet of torchvision.
    _block("features.*", None, "LinearBottleneck"),
    _block("features.*", None, "DualPathBlock"),
    _block("features.*", None, "Fire"),
    # Blocks of other models, by the names that blocks usually have.
    _block("stage[0-9]*.[0-9]*"),
    _block("stages.[0-9]*"),
    _block("blocks.[0-9]*"),
    _block("layer*.[0-9]*"),
    # VGG and AlexNet: after each activation.
    {"post_add": _fitting("features.*", "ReLU")},
    _block("features.[0-9]*"),
)


def open_known(model: nn.Module, name: str, inputs: Inputs) -> nn.Module:
    """Open the slots of the first family whose modules the model has.

    Args:
        model: gets the slots, and is returned.
        name: the library's name of the model.
        inputs: what it is called with.

    Raises:
        PlacementError: it is of no known family; the remedy names a pattern that this model has.
    """
    modules = user_modules(model)
    for slots in FAMILIES:
        if can_open(modules, slots) and _opens(model, slots, inputs):  # or its modules are named so, and mean another
            return model
    look(model, inputs, Probe.run)  # whether it runs at all: its images may be too small
    remedy = "its blocks hand on no maps, such as those of a transformer of tokens: choose another model"
    for pattern in suggested(modules):
        if _opens(copied(model), {"post_add": _fitting(pattern)}, inputs):
            remedy = f"say where its slots are, such as slots: {{post_add: {{after: {pattern}, fitting: true}}}}"
            break
    raise PlacementError(f"the blocks of {name} are not known", at=("slots",), got=NOTHING, remedy=remedy)


def _opens(model: nn.Module, slots: Slots, inputs: Inputs) -> bool:
    """Open slots in a model if they can be; say whether they were."""
    try:
        add_sites(model, slots, inputs.given)
    except PlacementError:
        return False
    return True
