"""Statistics: each module makes one number of each region of a map."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from attnspace.modules.maps import check_several
from attnspace.modules.precision import widened

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
        wide = widened(x_nchw)
        if self.eps == 0:
            return wide.std(self.dims, correction=self.correction, keepdim=True).to(x_nchw.dtype)
        variance = wide.var(self.dims, correction=self.correction, keepdim=True)
        return (variance + self.eps).sqrt().to(x_nchw.dtype)

    def extra_repr(self) -> str:
        return f"dims={self.dims}, correction={self.correction}, eps={self.eps}"


class L1Module(nn.Module):
    """Sum of absolute values over `dims`, kept with size 1; in float32 also for a map of fewer bits."""

    stays_wide = True

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        return widened(x_nchw).abs().sum(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class L2Module(nn.Module):
    """Euclidean norm over `dims`, kept with size 1; in float32 also for a map of fewer bits."""

    stays_wide = True

    def __init__(self, dims: tuple[int, ...], eps: float) -> None:
        super().__init__()
        self.dims = dims
        self.eps = eps

    def forward(self, x_nchw: Tensor) -> Tensor:
        wide = widened(x_nchw)
        if self.eps == 0:
            return torch.linalg.vector_norm(wide, dim=self.dims, keepdim=True)
        return (wide.pow(2).sum(self.dims, keepdim=True) + self.eps).sqrt()

    def extra_repr(self) -> str:
        return f"dims={self.dims}, eps={self.eps}"


class LseModule(nn.Module):
    """Log-mean-exp over `dims`, kept with size 1; the maximum is taken out, so that nothing overflows."""

    def __init__(self, dims: tuple[int, ...], sharpness: float) -> None:
        super().__init__()
        self.dims = dims
        self.sharpness = sharpness

    def forward(self, x_nchw: Tensor) -> Tensor:
        wide = widened(x_nchw)
        top = wide.detach().amax(self.dims, keepdim=True)
        mean = ((wide - top) * self.sharpness).exp().mean(self.dims, keepdim=True)
        return (top + mean.log() / self.sharpness).to(x_nchw.dtype)

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
        self.frequencies = frequencies
        self.register_buffer("along_h", torch.empty(len(frequencies)), persistent=False)
        self.register_buffer("along_w", torch.empty(len(frequencies)), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the buffers to the frequencies, which is all that they ever hold."""
        for buffer, along in zip((self.along_h, self.along_w), zip(*self.frequencies, strict=True), strict=True):
            buffer.copy_(torch.tensor(along, dtype=buffer.dtype))

    def forward(self, x_nchw: Tensor) -> Tensor:
        over_h = _basis(x_nchw[0, 0, :, 0], self.along_h)
        over_w = _basis(x_nchw[0, 0, 0, :], self.along_w)
        columns = torch.einsum("nfchw,fh->nfcw", x_nchw.unflatten(1, (len(self.frequencies), -1)), over_h)
        pooled = torch.einsum("nfcw,fw->nfc", columns, over_w)
        return pooled.flatten(1).unsqueeze(2).unsqueeze(3)

    def extra_repr(self) -> str:
        return f"chunks={len(self.frequencies)}"


def _basis(line: Tensor, frequencies: Tensor) -> Tensor:
    """Orthonormal cosines along an axis as long as `line`, in its type: (frequencies, length)."""
    wide = widened(frequencies)
    ones = torch.ones_like(line).to(wide)
    length = ones.sum()
    waves = torch.cos(wide.unsqueeze(1) * ((ones.cumsum(0) - 0.5) * (math.pi / length)))
    return (waves * ((1 + (wide > 0).to(wide)).unsqueeze(1) / length).sqrt()).to(line.dtype)
