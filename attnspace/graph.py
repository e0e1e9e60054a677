"""Training steps as replays of one CUDA graph: a small network's step is a few hundred kernels, which take longer to
launch one by one than to run.

Source: PyTorch's notes on CUDA semantics, "Whole-network capture".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from attnspace.data.loader import Batches
from attnspace.step import Step

__all__ = ["Captured"]

WARMUP = 3


class Captured:
    """A step that picks its batch, its random numbers and its learning rate from tables on the device, by a counter
    on the device, so that an epoch is nothing but replays.

    Args:
        step: what is captured.
        batches: resident images and labels.
        order: (steps, N) which images each step sees; only its shape counts here.
        drawn: random numbers of an epoch; only their shapes count here.
        rates: the learning rate of every step of the training.
        averaging: the share of new weights in their average, of every step.

    Raises:
        RuntimeError: the step cannot be captured; weights and optimizer are as they were.
    """

    def __init__(
        self,
        step: Step,
        batches: Batches,
        order: Tensor,
        drawn: Mapping[str, Tensor],
        rates: list[float],
        averaging: list[float],
    ) -> None:
        device = batches.device
        self._order = order.to(device)
        self._drawn = {name: values.to(device) for name, values in drawn.items()}
        self._step_in_epoch = torch.zeros(1, dtype=torch.int64, device=device)
        self._step_in_training = torch.zeros(1, dtype=torch.int64, device=device)
        self._total = torch.zeros((), device=device)
        rate, share = torch.tensor(rates, device=device), torch.tensor(averaging or [0.0], device=device)

        def replayed() -> None:
            here, now = self._step_in_epoch, self._step_in_training
            assert batches.images is not None
            chosen = self._order.index_select(0, here)[0]
            images, labels = batches.images.index_select(0, chosen), batches.labels.index_select(0, chosen)
            drawn = {name: values.index_select(0, here)[0] for name, values in self._drawn.items()}
            taken_in = share.index_select(0, now)[0] if averaging else 0.0
            self._total.add_(step(images, labels, drawn, rate.index_select(0, now)[0], taken_in))
            here.add_(1)
            now.add_(1)

        self._graph = _captured(replayed, step, [self._step_in_epoch, self._step_in_training, self._total])

    def epoch(self, order: Tensor, drawn: Mapping[str, Tensor], first: int) -> Tensor:
        """All steps of an epoch, the first of which is step `first` of the training.

        Returns:
            () the sum of the losses.
        """
        self._order.copy_(order)
        for name, values in drawn.items():
            self._drawn[name].copy_(values)
        self._step_in_epoch.zero_()
        self._step_in_training.fill_(first)
        self._total.zero_()
        for _ in range(len(order)):
            self._graph.replay()
        return self._total


def _captured(replayed: Callable[[], None], step: Step, counters: list[Tensor]) -> torch.cuda.CUDAGraph:
    """The graph of a step. Warming up takes real steps: what they change is put back."""
    state = [*step.model.state_dict().values(), *(step.average.state_dict().values() if step.average else ())]
    kept = [tensor.clone() for tensor in state]
    momenta = {p: buffer.clone() for p, buffer in _momenta(step).items()}
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUP):
                for counter in counters:
                    counter.zero_()
                replayed()
        torch.cuda.current_stream().wait_stream(side)
        step.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            replayed()
    finally:
        with torch.no_grad():
            for tensor, before in zip(state, kept, strict=True):
                tensor.copy_(before)
            for parameter, buffer in _momenta(step).items():
                before = momenta.get(parameter)
                buffer.zero_() if before is None else buffer.copy_(before)  # from 0 the first step is as from nothing
    return graph


def _momenta(step: Step) -> dict[Tensor, Tensor]:
    """Parameter -> its momentum buffer, of those that have one."""
    found = {p: state.get("momentum_buffer") for p, state in step.optimizer.state.items()}
    return {p: buffer for p, buffer in found.items() if buffer is not None}
