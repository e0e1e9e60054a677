"""Straight-line torch, written from the formula of each paper: mu is the mean over H and W, s the sigmoid."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mean(x: Tensor) -> Tensor:
    return x.flatten(2).sum(2) / (x.shape[2] * x.shape[3])


def scale(x: Tensor, gate: Tensor) -> Tensor:
    return torch.einsum("nchw,nc->nchw", x, gate)


def mlp(channels: int, hidden: int, *, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, hidden, bias), nn.ReLU(), nn.Linear(hidden, channels, bias))


def depthwise(channels: int, kernel: tuple[int, int], dilation: int = 1) -> nn.Conv2d:
    padding = (kernel[0] // 2 * dilation, kernel[1] // 2 * dilation)
    return nn.Conv2d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels)


class TutorialSE(nn.Module):
    """x s(W₂ ReLU(W₁ mu)), no bias: Hu et al., arXiv 1709.01507."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, channels // 16, bias=False)
        self.up = nn.Linear(channels // 16, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class TutorialCBAM(nn.Module):
    """a = x s(MLP(max) + MLP(mu)); a s(conv₇[max_C, mean_C]): Woo et al., arXiv 1807.06521."""

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
    """x s(conv₃ over channels of mu), with bias: Wang et al., arXiv 1910.03151."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, 1)
        gate = self.conv(pooled.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * torch.sigmoid(gate)


class TutorialCA(nn.Module):
    """x s(W_h f_h) s(W_w f_w), f = ReLU(BN(W [mu_W, mu_H])), no bias: Hou et al., arXiv 2103.02907."""

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


class Pixel(nn.Module):
    """x s(W x): Zhao et al., PAN, arXiv 2010.01073, eq. 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(x))


class AdaptiveECA(nn.Module):
    """x s(conv_k over channels of mu), k = t or the odd t + 1, t = ⌊(log₂C + 1) / 2⌋: Wang et al., arXiv 1910.03151."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = int((math.log2(channels) + 1) / 2) // 2 * 2 + 1
        self.conv = nn.Conv1d(1, 1, kernel, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        side = self.conv.kernel_size[0] // 2
        windows = F.pad(mean(x), (side, side)).unfold(1, 2 * side + 1, 1)
        return scale(x, torch.sigmoid(windows @ self.conv.weight.flatten()))


class SimplifiedChannel(nn.Module):
    """x (W mu + b): Chen et al., NAFNet, arXiv 2204.04676, eq. 7."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return scale(x, self.linear(mean(x)))


class ContrastAware(nn.Module):
    """x s(W₂ ReLU(W₁ (std + mu))), std biased: Hui et al., IMDN, arXiv 1909.11856, eq. 5."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = mlp(channels, channels // 16)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        deviation = torch.linalg.vector_norm(flat - flat.mean(2, keepdim=True), dim=2) / flat.shape[2] ** 0.5
        return scale(x, torch.sigmoid(self.mlp(deviation + mean(x))))


class CPCAChannel(nn.Module):
    """x (s(MLP(mu)) + s(MLP(max))): Huang et al., CPCA, arXiv 2306.05196, eq. 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = mlp(channels, channels // 4)

    def forward(self, x: Tensor) -> Tensor:
        highest = F.max_pool2d(x, x.shape[2:]).flatten(1)
        return scale(x, torch.sigmoid(self.mlp(mean(x))) + torch.sigmoid(self.mlp(highest)))


class SRM(nn.Module):
    """x s(BN(w₁ mu + w₂ √(var + 1e-5))), var unbiased: Lee et al., arXiv 1903.10829, eqs. 1 to 5."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 2))
        self.bn = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        average = mean(x)
        count = x.shape[2] * x.shape[3]
        variance = (x - average[:, :, None, None]).square().sum((2, 3)) / (count - 1)
        style = torch.stack([average, torch.sqrt(variance + 1e-5)], 2)
        return scale(x, torch.sigmoid(self.bn(torch.einsum("ncs,cs->nc", style, self.weight))))


class GatedChannelTransform(nn.Module):
    """x (1 + tanh(gamma e / n + beta)): Yang et al., arXiv 1909.11519, eqs. 2 to 4.

    l2: e = alpha √(Σ x² + eps), n = √(mean_C e² + eps); l1: e = alpha Σ |x|, n = mean_C |e| + eps.
    """

    def __init__(self, channels: int, *, absolute: bool = False) -> None:
        super().__init__()
        self.absolute = absolute
        self.alpha = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.absolute:
            energy = x.abs().sum((2, 3)) * self.alpha
            norm = energy.abs().mean(1, keepdim=True) + 1e-5
        else:
            energy = torch.einsum("nchw,nchw->nc", x, x).add(1e-5).sqrt() * self.alpha
            norm = energy.square().mean(1, keepdim=True).add(1e-5).sqrt()
        return scale(x, 1 + torch.tanh(self.gamma / norm * energy + self.beta))


class GaussianContext(nn.Module):
    """x exp(-z²), z = (mu - mean_C) / √(var_C + eps), var biased: Ruan et al., CVPR 2021, eqs. 4 to 6 with c = 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        centred = mean(x) - mean(x).mean(1, keepdim=True)
        return scale(x, torch.exp(-centred.square() / (centred.square().mean(1, keepdim=True) + 1e-5)))


class LinearContext(nn.Module):
    """x s(w (mu - mean_g) / √(var_g + eps) + b), 64 groups, var biased: Ruan et al., arXiv 1909.03834."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        groups = mean(x).unflatten(1, (64, -1))
        centred = groups - groups.mean(2, keepdim=True)
        z = centred / torch.sqrt(centred.square().mean(2, keepdim=True) + 1e-5)
        return scale(x, torch.sigmoid(self.weight * z.flatten(1) + self.bias))


class Frequency(nn.Module):
    """x s(W₂ ReLU(W₁ d)), d a DCT-II component for each 16th of the channels: Qin et al., arXiv 2012.11879."""

    U = (0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2)
    V = (0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = mlp(channels, channels // 16, bias=False)

    @staticmethod
    def cosines(length: int, like: Tensor) -> Tensor:
        rows = [
            [math.sqrt((2 if f else 1) / length) * math.cos(math.pi * f * (i + 0.5) / length) for i in range(length)]
            for f in range(7)
        ]
        return torch.tensor(rows, dtype=like.dtype, device=like.device)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.cosines(x.shape[2], x), self.cosines(x.shape[3], x)
        spectrum = torch.einsum("nkchw,uh,vw->kncuv", x.unflatten(1, (16, -1)), rows, columns)
        chosen = [spectrum[k, :, :, u, v] for k, (u, v) in enumerate(zip(self.U, self.V, strict=True))]
        return scale(x, torch.sigmoid(self.mlp(torch.cat(chosen, 1))))


class GatherExcite(nn.Module):
    """x s(up(excite(gather(x)))) at extent 8: Hu et al., arXiv 1810.12348, sections 3.2 to 3.4."""

    def __init__(self, channels: int, *, learned: bool, excite: bool) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False) for _ in range(3 * learned)]
        self.gather = nn.ModuleList([nn.ModuleList([conv, nn.BatchNorm2d(channels)]) for conv in convs])
        self.mlp = mlp(channels, channels // 16) if excite else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        gathered = self.gathered(x) if self.gather else self.average(x)
        gate = torch.sigmoid(self.mlp(gathered.movedim(1, 3)).movedim(3, 1))
        rows = torch.arange(x.shape[2]) * gate.shape[2] // x.shape[2]
        columns = torch.arange(x.shape[3]) * gate.shape[3] // x.shape[3]
        return x * gate[:, :, rows[:, None], columns]

    def gathered(self, x: Tensor) -> Tensor:
        for step, (conv, norm) in enumerate(self.gather):
            x = norm(conv(x)[:, :, ::2, ::2])
            x = F.relu(x) if step < 2 else x
        return x

    @staticmethod
    def average(x: Tensor) -> Tensor:
        """The mean of what lies less than 8 from every 8th position."""
        windows = []
        for length in x.shape[2:]:
            near = (torch.arange(length) - torch.arange(0, length, 8)[:, None]).abs() < 8
            windows.append(near.to(x.dtype) / near.sum(1, keepdim=True))
        return torch.einsum("nchw,ih,jw->ncij", x, *windows)


class ChannelSpatialMax(nn.Module):
    """max(x s(MLP(mu)), x s(w x)): Roy et al., scSE, arXiv 1803.02579, section 2.3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = mlp(channels, channels // 2)
        self.spatial = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.stack([scale(x, torch.sigmoid(self.mlp(mean(x)))), x * torch.sigmoid(self.spatial(x))])
        return both.amax(0)


class LargeKernel(nn.Module):
    """x W dw₇,₃(dw₅(x)): Guo et al., Visual Attention Network, arXiv 2202.09741, eqs. 3 and 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = depthwise(channels, (5, 5))
        self.far = depthwise(channels, (7, 7), dilation=3)
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mix(self.far(self.near(x)).movedim(1, 3)).movedim(3, 1)


class MultiScaleStrips(nn.Module):
    """a = dw₅(x); x W (a + Σ_k dw_kx1(dw_1xk(a))), k = 7, 11, 21: Guo et al., SegNeXt, arXiv 2209.08575."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = depthwise(channels, (5, 5))
        self.strips = nn.ModuleList(
            nn.Sequential(depthwise(channels, (1, k)), depthwise(channels, (k, 1))) for k in (7, 11, 21)
        )
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        a = self.near(x)
        total = torch.stack([a, *(strip(a) for strip in self.strips)]).sum(0)
        return x * self.mix(total.movedim(1, 3)).movedim(3, 1)


class BAM(nn.Module):
    """x (1 + s(M_c + M_s)), or M_c M_s in the released code: Park et al., arXiv 1807.06514, eqs. 1 to 4."""

    def __init__(self, channels: int, *, product: bool = False) -> None:
        super().__init__()
        hidden = channels // 16
        self.product = product
        self.channel = nn.Sequential(
            nn.Linear(channels, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        self.spatial = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU())
        for _ in range(2):
            self.spatial.append(nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4))
            self.spatial.extend([nn.BatchNorm2d(hidden), nn.ReLU()])
        self.spatial.append(nn.Conv2d(hidden, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        channel, spatial = self.channel(mean(x))[:, :, None, None], self.spatial(x)
        return x + x * torch.sigmoid(channel * spatial if self.product else channel + spatial)


class MultiScaleChannel(nn.Module):
    """x s(L(x) + G(mu)), L and G: 1x1, BN, ReLU, 1x1, BN: Dai et al., arXiv 2009.14082, eqs. 1 and 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 4
        self.local, self.whole = (
            nn.Sequential(
                nn.Conv2d(channels, hidden, 1),
                nn.BatchNorm2d(hidden),
                nn.ReLU(),
                nn.Conv2d(hidden, channels, 1),
                nn.BatchNorm2d(channels),
            )
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.local(x) + self.whole(mean(x)[:, :, None, None]))


class GlobalContext(nn.Module):
    """x + t or x s(t), t = W₂ ReLU(LN(W₁ Σ softmax(w x) x)), W₂ at first 0: Cao et al., arXiv 1904.11492, eq. 5."""

    def __init__(self, channels: int, *, add: bool) -> None:
        super().__init__()
        self.add = add
        self.key = nn.Linear(channels, 1)
        self.down = nn.Linear(channels, channels // 16)
        self.norm = nn.LayerNorm(channels // 16)
        self.up = nn.Linear(channels // 16, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.key(x.movedim(1, 3)).flatten(1)
        weights = torch.exp(logits - logits.logsumexp(1, keepdim=True))
        context = torch.einsum("ncp,np->nc", x.flatten(2), weights)
        transform = self.up(F.relu(self.norm(self.down(context))))
        return x + transform[:, :, None, None] if self.add else scale(x, torch.sigmoid(transform))


class LocalStrips(nn.Module):
    """x s(GN(conv₇(mu_W))) s(GN(conv₇(mu_H))), the strips share weights, 16 groups: Xu and Wan, arXiv 2403.01123."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 7, padding=3, groups=channels, bias=False)
        self.norm = nn.GroupNorm(16, channels)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.sigmoid(self.norm(self.conv(x.mean(3))))
        columns = torch.sigmoid(self.norm(self.conv(x.mean(2))))
        return torch.einsum("nchw,nch,ncw->nchw", x, rows, columns)


class StripPooling(nn.Module):
    """x s(W ReLU(BN(conv₃(mu_W)) + BN(conv₃(mu_H)))): Hou et al., arXiv 2003.13328, eqs. 1 to 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rows, self.columns = (
            nn.Sequential(nn.Conv1d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm1d(channels))
            for _ in range(2)
        )
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        met = F.relu(self.rows(x.mean(3)).unsqueeze(3) + self.columns(x.mean(2)).unsqueeze(2))
        return x * torch.sigmoid(self.mix(met.movedim(1, 3)).movedim(3, 1))
