"""Statistics: each module makes one number of each region of a map."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from attnspace.modules.maps import check_several

__all__ = [
    "AmaxModule",
    "AttentionModule",
    "AvgModule",
    "DctModule",
    "L1Module",
    "L2Module",
    "LseModule",
    "MaxModule",
    "StdModule",
]


class AvgModule(nn.Module):
    """Mean over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.mean(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class MaxModule(nn.Module):
    """Maximum over `dims` (neighbouring axes), kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        first, *others = self.dims
        if not others:
            return x_nchw.max(first, keepdim=True).values
        # One axis at a time would pick another element of a tie than max pooling does.
        flat = x_nchw.flatten(first, others[-1]).max(first, keepdim=True).values
        for axis in others:
            flat = flat.unsqueeze(axis)
        return flat

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class AmaxModule(nn.Module):
    """Maximum over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.amax(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class StdModule(nn.Module):
    """Standard deviation over `dims`, kept with size 1; `correction` is subtracted from the number of values."""

    def __init__(self, dims: tuple[int, ...], correction: int, eps: float) -> None:
        super().__init__()
        self.dims = dims
        self.correction = correction
        self.eps = eps

    def forward(self, x_nchw: Tensor) -> Tensor:
        if self.correction:
            check_several(x_nchw, self.dims, "an unbiased standard deviation")
        if self.eps == 0:
            return x_nchw.std(self.dims, correction=self.correction, keepdim=True)
        return (x_nchw.var(self.dims, correction=self.correction, keepdim=True) + self.eps).sqrt()

    def extra_repr(self) -> str:
        return f"dims={self.dims}, correction={self.correction}, eps={self.eps}"


class L1Module(nn.Module):
    """Sum of absolute values over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.abs().sum(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class L2Module(nn.Module):
    """Euclidean norm over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...], eps: float) -> None:
        super().__init__()
        self.dims = dims
        self.eps = eps

    def forward(self, x_nchw: Tensor) -> Tensor:
        if self.eps == 0:
            return torch.linalg.vector_norm(x_nchw, dim=self.dims, keepdim=True)
        return (x_nchw.pow(2).sum(self.dims, keepdim=True) + self.eps).sqrt()

    def extra_repr(self) -> str:
        return f"dims={self.dims}, eps={self.eps}"


class LseModule(nn.Module):
    """Log-mean-exp over `dims`, kept with size 1; the maximum is taken out, so that nothing overflows."""

    def __init__(self, dims: tuple[int, ...], sharpness: float) -> None:
        super().__init__()
        self.dims = dims
        self.sharpness = sharpness

    def forward(self, x_nchw: Tensor) -> Tensor:
        top = x_nchw.detach().amax(self.dims, keepdim=True)
        mean = ((x_nchw - top) * self.sharpness).exp().mean(self.dims, keepdim=True)
        return top + mean.log() / self.sharpness

    def extra_repr(self) -> str:
        return f"dims={self.dims}, sharpness={self.sharpness}"


class AttentionModule(nn.Module):
    """Weighted mean over the spatial `dims`, kept with size 1."""

    def __init__(self, channels: int, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.logits = nn.Conv2d(channels, 1, kernel_size=1)
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        logits = self.logits(x_nchw)
        if len(self.dims) == 1:
            return (x_nchw * logits.softmax(self.dims[0])).sum(self.dims, keepdim=True)
        weights = logits.flatten(2).softmax(2)
        return (x_nchw.flatten(2) @ weights.transpose(1, 2)).unsqueeze(3)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class DctModule(nn.Module):
    """One DCT component of each channel.

    Shape:
        (N,C,H,W) -> (N,C,1,1)
    """

    along_h: Tensor
    along_w: Tensor

    def __init__(self, frequencies: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        u, v = zip(*frequencies, strict=True)
        self.register_buffer("along_h", torch.tensor(u, dtype=torch.get_default_dtype()), persistent=False)
        self.register_buffer("along_w", torch.tensor(v, dtype=torch.get_default_dtype()), persistent=False)
        self.chunks = len(frequencies)

    def forward(self, x_nchw: Tensor) -> Tensor:
        over_h = _basis(x_nchw[0, 0, :, 0], self.along_h)
        over_w = _basis(x_nchw[0, 0, 0, :], self.along_w)
        columns = torch.einsum("nfchw,fh->nfcw", x_nchw.unflatten(1, (self.chunks, -1)), over_h)
        pooled = torch.einsum("nfcw,fw->nfc", columns, over_w)
        return pooled.flatten(1).unsqueeze(2).unsqueeze(3)

    def extra_repr(self) -> str:
        return f"chunks={self.chunks}"


def _basis(line: Tensor, frequencies: Tensor) -> Tensor:
    """Orthonormal cosines along an axis as long as `line`: (frequencies, length)."""
    ones = torch.ones_like(line).to(frequencies)
    length = ones.sum()
    waves = torch.cos(frequencies.unsqueeze(1) * ((ones.cumsum(0) - 0.5) * (math.pi / length)))
    return waves * ((1 + (frequencies > 0).to(frequencies)).unsqueeze(1) / length).sqrt()
