"""Independent references for the published blocks, and how to compare a module with one.

`formulas` is straight-line torch; `libraries` come from projects that know nothing of attnspace.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fightingcv_attention.attention.CoordAttention import CoordAtt
from pytorchcv.models.bamresnet import BamBlock
from pytorchcv.models.common.att import SEBlock
from segmentation_models_pytorch.base.modules import SCSEModule
from timm.layers import (
    CecaModule,
    EcaModule,
    EffectiveSEModule,
    GlobalContext,
    SEModule,
)
from timm.layers.cbam import CbamModule, LightCbamModule
from timm.layers.coord_attn import CoordAttn, EfficientLocalAttn, SimpleCoordAttn, StripAttn
from torch import nn

from tests.oracles import formulas, libraries
from tests.oracles.compare import CHANNELS, copy_weights, differences, rounding, sample, stir

__all__ = ["CHANNELS", "ORACLES", "Oracle", "copy_weights", "differences", "rounding", "sample", "stir"]

SIXTEENTH = (24, 64, 320)  # a sixteenth of them is a hidden unit
SIXTEEN = (64, 320, 16)  # 16 groups divide them
BROAD = ((7, 5), (6, 6), (17, 10))  # the last is gathered to more than one position


@dataclass(frozen=True)
class Oracle:
    """A module that should equal a published block.

    Args:
        block: name of the published block.
        name: the module's name in its library, or "formula".
        make: the module for a number of channels.
        channels: numbers of channels at which the block is possible.
        sizes: heights and widths to compare at.
        order: for each parameter of the block, which of the module's parameters it is; None if in the same order.
        same_init: whether the same seed gives the same initial weights.
        batch_one: whether a batch of one can be trained on.
    """

    block: str
    name: str
    make: Callable[[int], nn.Module]
    channels: tuple[int, ...] = CHANNELS
    sizes: tuple[tuple[int, int], ...] = ((7, 5), (6, 6))
    order: tuple[int, ...] | None = None
    same_init: bool = True
    batch_one: bool = True

    def __str__(self) -> str:
        return f"{self.block}-{self.name}"


ORACLES = (
    # channel gates
    Oracle("se", "formula", formulas.TutorialSE, SIXTEENTH),
    Oracle("se-official", "pytorchcv SEBlock", SEBlock, SIXTEENTH),
    Oracle("se-official", "torchvision.ops.SqueezeExcitation", libraries.torchvision_se, SIXTEENTH),
    Oracle("se-timm", "timm.layers.SEModule", SEModule),
    Oracle("se-torchvision", "torchvision.ops.SqueezeExcitation", libraries.mobilenet_se),
    Oracle("se-monai", "monai ResidualSELayer", libraries.monai_se),
    Oracle("cse", "segmentation_models_pytorch SCSEModule.cSE", libraries.ChannelSE),
    Oracle("ese", "timm.layers.EffectiveSEModule", EffectiveSEModule),
    Oracle("sca", "formula", formulas.SimplifiedChannel),
    Oracle("eca", "formula", formulas.TutorialECA),
    Oracle("eca-official", "timm.layers.EcaModule", EcaModule),
    Oracle("eca-official", "formula", formulas.AdaptiveECA, (4, *CHANNELS)),  # at 4 channels the kernel is 1
    Oracle("eca-timm", "timm.layers.EcaModule", EcaModule, (4, *CHANNELS)),
    Oracle("eca-circular", "timm.layers.CecaModule", CecaModule, (4, *CHANNELS)),
    Oracle("eca-mlp", "timm.layers.EcaModule(use_mlp)", libraries.eca_mlp),
    Oracle("srm", "formula", formulas.SRM, batch_one=False),
    Oracle("cca", "formula", formulas.ContrastAware, SIXTEENTH),
    Oracle("cpca", "formula", formulas.CPCAChannel),
    Oracle("gct", "formula", formulas.GatedChannelTransform),
    Oracle("gct-l1", "formula", partial(formulas.GatedChannelTransform, absolute=True)),
    Oracle("gaussian-context", "formula", formulas.GaussianContext),
    Oracle("lct", "formula", formulas.LinearContext, (128, 320, 640)),
    Oracle("grn", "timm.layers.grn.GlobalResponseNorm", libraries.response_norm),
    Oracle("fca", "formula", formulas.Frequency, (64, 320, 128)),
    Oracle("ge-theta-minus", "timm.layers.GatherExcite", libraries.gather_average, sizes=BROAD),
    Oracle("ge-theta-minus", "formula", partial(formulas.GatherExcite, learned=False, excite=False), sizes=BROAD),
    Oracle(
        "ge-theta",
        "formula",
        partial(formulas.GatherExcite, learned=True, excite=False),
        sizes=BROAD,
        batch_one=False,  # a small map is gathered to one position
    ),
    Oracle(
        "ge-theta-plus",
        "formula",
        partial(formulas.GatherExcite, learned=True, excite=True),
        SIXTEENTH,
        sizes=BROAD,
        batch_one=False,
    ),
    # the norm of a single hidden unit is 0 but for rounding, where ReLU has its kink: at least two hidden units;
    # timm draws the key of the softmax a second time, from a normal distribution
    Oracle("gc-timm", "timm.layers.GlobalContext", GlobalContext, SIXTEENTH, same_init=False),
    Oracle("gc-timm-add", "timm.layers.GlobalContext(fuse_add)", libraries.context_add, SIXTEENTH, same_init=False),
    Oracle("gc", "formula", partial(formulas.GlobalContext, add=True), (40, 64, 320)),
    Oracle("gc-mul", "formula", partial(formulas.GlobalContext, add=False), (40, 64, 320)),
    # spatial and full-map gates
    Oracle("sse", "segmentation_models_pytorch SCSEModule.sSE", libraries.SpatialSE),
    Oracle("scse", "segmentation_models_pytorch SCSEModule", SCSEModule, SIXTEENTH),
    Oracle("scse-max", "formula", formulas.ChannelSpatialMax),
    Oracle("pixel", "formula", formulas.Pixel),
    Oracle("lka", "formula", formulas.LargeKernel),
    Oracle("msca", "formula", formulas.MultiScaleStrips),
    # fightingcv starts the bias at 0, the released code at 1
    Oracle("sge", "fightingcv SpatialGroupEnhance", libraries.sge, (64, 320, 128), same_init=False),
    Oracle("simam", "fightingcv SimAM", libraries.simam),
    # channel and spatial
    Oracle("cbam", "formula", formulas.TutorialCBAM, SIXTEENTH),
    Oracle("cbam-official", "pytorchcv CbamBlock", libraries.OfficialCBAM, SIXTEENTH),
    Oracle("cbam-timm", "timm.layers.cbam.CbamModule", CbamModule),
    Oracle("cbam-light", "timm.layers.cbam.LightCbamModule", LightCbamModule),
    Oracle("bam", "formula", formulas.BAM, SIXTEENTH, batch_one=False),
    Oracle("bam-official", "pytorchcv BamBlock", BamBlock, SIXTEENTH, batch_one=False),
    Oracle("bam-official", "formula", partial(formulas.BAM, product=True), SIXTEENTH, batch_one=False),
    Oracle("ms-cam", "formula", formulas.MultiScaleChannel, batch_one=False),
    Oracle("triplet", "fightingcv TripletAttention", libraries.triplet),
    Oracle("shuffle", "fightingcv ShuffleAttention", libraries.shuffle, (128, 256, 640), order=(0, 1, 4, 5, 2, 3)),
    # directional
    Oracle("ca", "formula", formulas.TutorialCA, SIXTEENTH),
    Oracle("ca-official", "fightingcv CoordAtt", lambda c: CoordAtt(c, c)),
    Oracle("ca-official", "timm.layers.coord_attn.CoordAttn(bias)", libraries.official_ca),
    # the hidden widths 288 / 24 and 72 / 6 lie halfway between two multiples of 8
    Oracle("ca-timm", "timm.layers.coord_attn.CoordAttn", CoordAttn, (*CHANNELS, 288)),
    Oracle("ca-simple", "timm.layers.coord_attn.SimpleCoordAttn", SimpleCoordAttn, (*CHANNELS, 72)),
    Oracle("ela", "formula", formulas.LocalStrips, SIXTEEN),
    Oracle("ela-timm", "timm.layers.coord_attn.EfficientLocalAttn", EfficientLocalAttn, order=(0, 2, 3, 1, 4, 5)),
    Oracle("strip", "formula", formulas.StripPooling),
    Oracle("strip-timm", "timm.layers.coord_attn.StripAttn", StripAttn),
    # branch selection
    Oracle("sk", "pytorchcv SKConvBlock", libraries.selective_kernel, (64, 320, 32), batch_one=False),
    Oracle("sk", "timm.layers.SelectiveKernel", libraries.timm_selective_kernel, (64, 320, 32), batch_one=False),
    Oracle("split-attention", "timm.layers.SplitAttn", libraries.split_attention, batch_one=False),
)
