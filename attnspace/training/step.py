"""One update of a network's weights, readable from top to bottom.

On a GPU everything that differs from step to step - images, random numbers, learning rate - is a tensor, so that a
step can be captured as a CUDA graph.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import save_on_cpu
from torch.nn.modules.batchnorm import _BatchNorm

from attnspace.data.augment import augment, mixed
from attnspace.data.loader import DeviceData
from attnspace.training.outputs import main_output
from attnspace.training.recipe import Recipe

__all__ = ["Number", "Step"]

Number = Tensor | float
"""A number that changes from step to step: () on the device where steps are captured, else a plain one."""


class Step:
    """Augment, forward, backward, clip, update: SGD with Nesterov momentum under a recipe.

    Args:
        model: trained in place, on its device.
        recipe: how.
        device_data: normalises images, and has the device.

    Attributes:
        optimizer: whose state belongs into a checkpoint.
        average: the network of averaged weights, where the recipe asks for one.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, device_data: DeviceData) -> None:
        self.model, self.recipe, self.device_data = model, recipe, device_data
        on_gpu = device_data.device.type == "cuda"
        self.optimizer = torch.optim.SGD(
            _decayed(model, recipe.weight_decay),
            lr=torch.tensor(recipe.lr, device=device_data.device) if on_gpu else recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.momentum > 0,
            fused=True,
        )
        self.average: nn.Module | None = copy.deepcopy(model).requires_grad_(False) if recipe.ema else None
        if recipe.momentum:  # from 0 the first step is as from nothing, also of a weight whose gradient comes later
            for parameter in (p for group in self.optimizer.param_groups for p in group["params"]):
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        self._network: Callable[[Tensor], Any] = model
        if recipe.compile:
            torch.compiler.reset()  # what was compiled of other designs counts against a limit
            self._network = torch.compile(model)
        self._parts = 1
        self._offload = False

    def __call__(
        self, images: Tensor, labels: Tensor, drawn: Mapping[str, Tensor], rate: Number, taken_in: Number = 0.0
    ) -> Tensor:
        """Update the weights by one batch.

        Args:
            images: (N, C, H, W) uint8.
            labels: (N,) int64.
            drawn: random numbers of the augmentation, as `attnspace.data.augment.draws` gives them for a step.
            rate: learning rate.
            taken_in: share of the new weights in their average.

        Returns:
            () the loss before the update.
        """
        x_nchw, others = self.inputs(augment(images, self.recipe.augment, drawn)), labels
        share = drawn.get("mixup")
        if share is not None:
            x_nchw, others = mixed(x_nchw, share), labels.flip(0)
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=x_nchw.device)
        with save_on_cpu(pin_memory=x_nchw.is_cuda) if self._offload else nullcontext():
            for x_part, of, other in zip(*(t.chunk(self._parts) for t in (x_nchw, labels, others)), strict=True):
                loss = self._loss(x_part, of, other, share) * (len(of) / len(labels))
                loss.backward()
                total += loss.detach()
        if self.recipe.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.grad_clip)
        self._set_rate(rate)
        self.optimizer.step()
        if self.average is not None:
            _take_in(self.average, self.model, taken_in)
        return total

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Take over an optimizer's state, also from another device."""
        self.optimizer.load_state_dict(copy.deepcopy(dict(state)))  # which keeps the tensors that it is given
        if self.device_data.device.type == "cuda":
            for group in self.optimizer.param_groups:
                group["lr"] = torch.tensor(self.recipe.lr, device=self.device_data.device)

    def inputs(self, images: Tensor) -> Tensor:
        """Images as the network reads them.

        Shape:
            (N, C, H, W) uint8 -> the same, float32, in channels_last
        """
        return self.device_data.normalise(images).contiguous(memory_format=torch.channels_last)

    def logits(self, network: Callable[[Tensor], Any], x_nchw: Tensor) -> Tensor:
        """What a network makes of its inputs, in the recipe's precision.

        Shape:
            (N, C, H, W) float32 -> (N, classes) float32
        """
        with torch.autocast(
            x_nchw.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16", cache_enabled=False
        ):
            return main_output(network(x_nchw)).float()

    def relieve(self, batch_size: int) -> str | None:
        """Need less memory from now on, for the same result up to rounding.

        The batch goes in twice as many parts. Batch normalisation wants the whole batch at once: there, what the
        backward pass needs is kept in the host's memory.

        Returns:
            what is done, in words; None if nothing is left to do.
        """
        if any(isinstance(module, _BatchNorm) for module in self.model.modules()):
            if self._offload or self.device_data.device.type == "cpu":
                return None
            self._offload = True
            return "activations are kept in the host's memory"
        if 2 * self._parts > batch_size:
            return None
        self._parts *= 2
        return f"each batch goes in {self._parts} parts"

    def _loss(self, x_nchw: Tensor, labels: Tensor, others: Tensor, share: Tensor | None) -> Tensor:
        logits = self.logits(self._network, x_nchw)
        smoothing = self.recipe.label_smoothing
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        if share is None:
            return loss
        return torch.lerp(F.cross_entropy(logits, others, label_smoothing=smoothing), loss, share)

    def _set_rate(self, rate: Number) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(rate, Tensor):
                group["lr"].copy_(rate)
            else:
                group["lr"] = rate


@torch.no_grad()
def _take_in(average: nn.Module, model: nn.Module, share: Number) -> None:
    """Weights and running statistics move towards the model's; counters are copied."""
    old = [*average.parameters(), *average.buffers()]
    new = [*model.parameters(), *model.buffers()]
    for mean, value in zip(old, new, strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, share)
        else:
            mean.copy_(value)


def _decayed(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and the scales of norms, which have one axis, do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    weights, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
