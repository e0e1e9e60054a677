"""Training steps as replays of one CUDA graph: a small network's step is a few hundred kernels, which take longer to
launch one by one than to run.

A graph repeats what the GPU was told to do, not the Python that told it: what a network decides by a random number of
Python's or the CPU's, or by counting its calls, is decided once. `cuda_graph: false` in a recipe is for such networks.

Source: PyTorch's notes on CUDA semantics, "Whole-network capture".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from attnspace.data.loader import Batches
from attnspace.training.step import Step

__all__ = ["GraphedEpoch"]

WARMUP = 3


class GraphedEpoch:
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

        self._graph = _captured(replayed, step, [self._step_in_epoch, self._step_in_training, self._total], device)

    def epoch(self, order: Tensor, drawn: Mapping[str, Tensor], first: int) -> Tensor:
        """Take all steps of an epoch, the first of which is step `first` of the training.

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


def _captured(
    replayed: Callable[[], None], step: Step, counters: Sequence[Tensor], device: torch.device
) -> torch.cuda.CUDAGraph:
    """The graph of a step. Warming up takes real steps: what they change is put back."""
    networks = [step.model, *([step.average] if step.average is not None else [])]
    momenta = [s["momentum_buffer"] for s in step.optimizer.state.values() if "momentum_buffer" in s]
    state = [*(t for network in networks for t in (*network.parameters(), *network.buffers())), *momenta]
    kept = [tensor.clone() for tensor in state]
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            side = torch.cuda.Stream(device)
            side.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(side):
                for _ in range(WARMUP):
                    for counter in counters:
                        counter.zero_()
                    replayed()
            torch.cuda.current_stream(device).wait_stream(side)
            step.optimizer.zero_grad(set_to_none=True)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                replayed()
            for counter in counters:
                counter.zero_()
            graph.replay()
        if int(counters[0]) != 1:
            raise RuntimeError("the captured graph does nothing")
    finally:
        with torch.no_grad():
            for tensor, before in zip(state, kept, strict=True):
                tensor.copy_(before)
    return graph
