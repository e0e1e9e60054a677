"""Independent references for the published blocks, and how to compare a module with one.

The tutorial forms are straight-line torch; the others come from libraries that know nothing of attnspace.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from fightingcv_attention.attention.CoordAttention import CoordAtt
from pytorchcv.models.cbamresnet import CbamBlock
from pytorchcv.models.common.att import SEBlock
from segmentation_models_pytorch.base.modules import SCSEModule
from timm.layers import EcaModule, EffectiveSEModule
from timm.layers.cbam import CbamModule
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation


class TutorialSE(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, channels // 16, bias=False)
        self.up = nn.Linear(channels // 16, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class TutorialCBAM(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.up = nn.Conv2d(channels // 16, channels, 1, bias=False)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def mlp(self, pooled: Tensor) -> Tensor:
        return self.up(F.relu(self.down(pooled)))

    def forward(self, x: Tensor) -> Tensor:
        x = x * torch.sigmoid(self.mlp(F.adaptive_max_pool2d(x, 1)) + self.mlp(F.adaptive_avg_pool2d(x, 1)))
        pooled = torch.cat([x.max(1, keepdim=True).values, x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.conv(pooled))


class TutorialECA(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, 1)
        gate = self.conv(pooled.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * torch.sigmoid(gate)


class TutorialCA(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 16
        self.stem = nn.Conv2d(channels, hidden, 1, bias=False)
        self.bn = nn.BatchNorm2d(hidden)
        self.head_h = nn.Conv2d(hidden, channels, 1, bias=False)
        self.head_w = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        strips = torch.cat([x.mean(3, keepdim=True).transpose(2, 3), x.mean(2, keepdim=True)], 3)
        hidden = F.relu(self.bn(self.stem(strips)))
        h, w = hidden.split([height, width], 3)
        return x * torch.sigmoid(self.head_h(h.transpose(2, 3))) * torch.sigmoid(self.head_w(w))


class OfficialCBAM(CbamBlock):
    """pytorchcv's CBAM with the released code's BN momentum, which pytorchcv leaves at torch's default."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.01


class Pixel(nn.Module):
    """x * sigmoid(conv1x1(x)): Zhao et al., PAN, eq. 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(x))


class SpatialSE(nn.Module):
    """The spatial half of segmentation-models-pytorch's scSE."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        with torch.random.fork_rng():  # the other half must not use up the random stream
            self.gate = SCSEModule(channels, reduction=2).sSE
        self.gate[0].reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


@dataclass(frozen=True)
class Oracle:
    block: str
    name: str
    make: Callable[[int], nn.Module]
    min_channels: int = 8

    def __str__(self) -> str:
        return f"{self.block}-{self.name}"


ORACLES = (
    Oracle("se", "straight-line", TutorialSE, 24),
    Oracle("cbam", "straight-line", TutorialCBAM, 24),
    Oracle("eca", "straight-line", TutorialECA),
    Oracle("ca", "straight-line", TutorialCA, 24),
    Oracle("se-official", "pytorchcv", SEBlock, 24),
    Oracle("se-official", "torchvision", lambda c: SqueezeExcitation(c, c // 16), 24),
    Oracle("ese", "timm", EffectiveSEModule),
    Oracle("eca-official", "timm", EcaModule),
    Oracle("cbam-official", "pytorchcv", OfficialCBAM, 24),
    Oracle("cbam-timm", "timm", CbamModule),
    Oracle("ca-official", "fightingcv", lambda c: CoordAtt(c, c)),
    Oracle("sse", "segmentation-models", SpatialSE),
    Oracle("pixel", "straight-line", Pixel),
)
CHANNELS = (8, 24, 64, 320)


def copy_weights(reference: nn.Module, module: nn.Module) -> None:
    """Copy parameters and buffers one by one, in order of creation; only axes of size 1 may differ."""
    for kind in ("parameters", "buffers"):
        theirs, ours = list(getattr(reference, kind)()), list(getattr(module, kind)())
        assert [t.squeeze().shape for t in theirs] == [o.squeeze().shape for o in ours]
        with torch.no_grad():
            for source, target in zip(theirs, ours, strict=True):
                target.copy_(source.reshape(target.shape))


def sample(channels: int, *, dtype: torch.dtype, size: tuple[int, int] = (7, 5), batch: int = 3) -> Tensor:
    """A map with ties: rounded, and zero wherever it was negative."""
    generator = torch.Generator().manual_seed(channels)
    noise = torch.randn(batch, channels, *size, generator=generator, dtype=torch.float64)
    return (torch.round(noise.relu() * 4) / 4).to(dtype)


def differences(reference: nn.Module, module: nn.Module, x: Tensor, *, train: bool) -> dict[str, float]:
    """The largest difference of each quantity, relative to its largest value where that exceeds 1.

    Parameter gradients are one quantity: a bias before BN has gradient 0 but for rounding, which its sum of large terms
    leaves at the scale of the others.
    """
    outcomes = []
    for network in (reference, module):
        network.to(x.dtype).train(train)
        given = x.clone().requires_grad_()
        weights = list(network.parameters())
        out = network(given)
        pull = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(x.dtype)
        grads = torch.autograd.grad((out * pull).sum(), [given, *weights])
        outcomes.append((out.detach(), grads[0], grads[1:], [b.clone() for b in network.buffers()]))
    (out, grad, weights, buffers), (out2, grad2, weights2, buffers2) = outcomes
    return {
        "forward": _far([out], [out2]),
        "input gradient": _far([grad], [grad2]),
        "parameter gradients": _far(weights, weights2),
        "buffers": _far(buffers, buffers2),
        "parameter count": float(abs(_count(reference) - _count(module))),
    }


def _far(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> float:
    pairs = [(a.double(), b.double().reshape(a.shape)) for a, b in zip(theirs, ours, strict=True)]
    scale = max((a.abs().max().item() for a, _ in pairs), default=1.0)
    return max(((a - b).abs().max().item() for a, b in pairs), default=0.0) / max(1.0, scale)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
