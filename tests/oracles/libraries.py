"""Modules of libraries that know nothing of attnspace, with the arguments that make them a published block."""

import torch
from fightingcv_attention.attention.SGE import SpatialGroupEnhance
from fightingcv_attention.attention.ShuffleAttention import ShuffleAttention
from fightingcv_attention.attention.SimAM import SimAM
from fightingcv_attention.attention.TripletAttention import TripletAttention
from pytorchcv.models.cbamresnet import CbamBlock
from pytorchcv.models.sknet import SKConvBlock
from segmentation_models_pytorch.base.modules import SCSEModule
from timm.layers import (
    EcaModule,
    GatherExcite,
    GlobalContext,
    SelectiveKernel,
    SplitAttn,
)
from timm.layers.coord_attn import CoordAttn
from timm.layers.grn import GlobalResponseNorm
from torch import Tensor, nn
from torchvision.models._utils import _make_divisible
from torchvision.ops import SqueezeExcitation


class OfficialCBAM(CbamBlock):
    """pytorchcv's CBAM with the released code's BN momentum, which pytorchcv leaves at torch's default."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.01


class ChannelSE(nn.Module):
    """The channel half of segmentation-models-pytorch's scSE."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = SCSEModule(channels, reduction=2).cSE

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class SpatialSE(nn.Module):
    """The spatial half of segmentation-models-pytorch's scSE."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        with torch.random.fork_rng():  # the other half must not use up the random stream
            self.gate = SCSEModule(channels, reduction=2).sSE
        self.gate[0].reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


def torchvision_se(channels: int) -> nn.Module:
    return SqueezeExcitation(channels, channels // 16)


def mobilenet_se(channels: int) -> nn.Module:
    return SqueezeExcitation(channels, _make_divisible(channels // 4, 8), scale_activation=nn.Hardsigmoid)


def monai_se(channels: int) -> nn.Module:
    from monai.networks.blocks.squeeze_and_excitation import ResidualSELayer  # 3 s, so only where it is wanted

    return ResidualSELayer(2, channels)


def eca_mlp(channels: int) -> nn.Module:
    return EcaModule(channels, use_mlp=True)


def official_ca(channels: int) -> nn.Module:
    return CoordAttn(channels, rd_channels=max(8, channels // 32), bias=True)


def triplet(channels: int) -> nn.Module:
    return TripletAttention()


def shuffle(channels: int) -> nn.Module:
    return ShuffleAttention(channels, G=64)


def sge(channels: int) -> nn.Module:
    return SpatialGroupEnhance(64)


def simam(channels: int) -> nn.Module:
    return SimAM()


def context_add(channels: int) -> nn.Module:
    return GlobalContext(channels, fuse_add=True, fuse_scale=False)


def response_norm(channels: int) -> nn.Module:
    return GlobalResponseNorm(channels, channels_last=False)


def gather_average(channels: int) -> nn.Module:
    return GatherExcite(channels, extra_params=False, extent=8, use_mlp=False)


def selective_kernel(channels: int) -> nn.Module:
    return SKConvBlock(channels, channels, stride=1)


def timm_selective_kernel(channels: int) -> nn.Module:
    return SelectiveKernel(channels, split_input=False, groups=32, rd_channels=max(channels // 16, 32))


def split_attention(channels: int) -> nn.Module:
    return SplitAttn(channels, norm_layer=nn.BatchNorm2d)
