"""Batches of a dataset on a device, without worker processes.

Where a split fits, it lies on the device as uint8, or as float32 if its images have more than 8 bits, and a batch is a
selection of rows; where it does not, batches are read from the file ahead of time. Both give the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psutil
import torch
from torch import Tensor

from attnspace.data.split import Dataset, DataSplit
from attnspace.data.stored import StoredImages

__all__ = ["Batches", "DeviceData", "SHARE"]

SHARE = 0.5
"""The share of a device's free memory that a split may take up."""

AHEAD = 3
"""How many batches are read before they are asked for."""


class Batches:
    """Batches of one split on a device.

    Args:
        split: the images.
        device: the device that batches are wanted on.
        resident: whether the whole split lies on the device.
    """

    def __init__(self, split: DataSplit, device: torch.device, *, resident: bool) -> None:
        self.device = device
        self.labels = split.labels.to(device)
        self.images: Tensor | None = None
        self._stored = split.images
        if resident:
            images = split.images if isinstance(split.images, Tensor) else split.images.read()
            self.images = images.to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def epoch(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch: images and labels of each row of `order`.

        Shape:
            (steps, N) int64 on the CPU -> steps times (N, C, H, W) uint8 or float32 and (N,) int64
        """
        chosen = order.to(self.device)
        if self.images is not None:
            return ((self.images.index_select(0, rows), self.labels.index_select(0, rows)) for rows in chosen)
        return self._streamed(order, chosen)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images and labels, in their order; the last batch may be smaller."""
        if self.images is not None:
            return zip(self.images.split(batch_size), self.labels.split(batch_size), strict=True)
        whole = torch.arange(len(self))
        cut = len(self) - len(self) % batch_size
        parts = [whole[:cut].view(-1, batch_size), *([whole[None, cut:]] if cut < len(self) else [])]
        return (batch for part in parts for batch in self.epoch(part))

    def _streamed(self, order: Tensor, chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        waiting: deque[Future[Tensor]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
            try:
                for step in range(min(AHEAD, len(order))):
                    waiting.append(reader.submit(self._read, order[step]))
                for step in range(len(order)):
                    images = waiting.popleft().result()
                    if step + AHEAD < len(order):
                        waiting.append(reader.submit(self._read, order[step + AHEAD]))
                    yield images.to(self.device, non_blocking=True), self.labels.index_select(0, chosen[step])
            finally:
                for read in waiting:
                    read.cancel()

    def _read(self, rows: Tensor) -> Tensor:
        images = self._stored.read(rows) if isinstance(self._stored, StoredImages) else self._stored[rows]
        return images.pin_memory() if self.device.type == "cuda" else images


class DeviceData:
    """A dataset on a device: batches of its splits, and how they are normalised.

    Args:
        data: the dataset.
        device: the device that batches of it are wanted on.
        share: a split whose images take more than this part of the device's free memory is streamed.
    """

    def __init__(self, data: Dataset, device: torch.device | str = "cpu", share: float = SHARE) -> None:
        self.data = data
        self.device = torch.device(device)
        self._share = share
        self.train = self.batches(data.train)
        self.validation = self.batches(data.validation)
        self._mean = data.mean.to(self.device)[:, None, None]
        self._scale = (1 / data.std).to(self.device)[:, None, None]

    def batches(self, split: DataSplit) -> Batches:
        """Batches of a split on this device."""
        nbytes = split.images.nbytes
        in_place = isinstance(split.images, Tensor) and self.device.type == "cpu"
        return Batches(split, self.device, resident=in_place or nbytes <= self._share * free_bytes(self.device))

    def normalise(self, images: Tensor) -> Tensor:
        """Scale pixels so that each channel has mean 0 and standard deviation 1 over the training images.

        Shape:
            (N, C, H, W) uint8 or float32 -> the same, float32
        """
        return (images.float() - self._mean) * self._scale


def free_bytes(device: torch.device) -> int:
    """Bytes of memory that are free on a device."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
