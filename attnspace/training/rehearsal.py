"""Whether a network can be trained at all, found by two images before a search begins."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnspace.data import Dataset
from attnspace.errors import AttnspaceError, StudyError, TrainingFailed
from attnspace.training.outputs import main_part

__all__ = ["rehearse"]

IMAGES = 2


def rehearse(network: nn.Module, data: Dataset) -> tuple[str, ...]:
    """Run a new network forward and backward in training, and forward in evaluation, and forget it.

    Args:
        network: is changed.
        data: whose images it is for.

    Returns:
        what the user should know of it, in sentences.

    Raises:
        StudyError: it cannot be run, or does not return a number for each class.
    """
    draw = torch.Generator().manual_seed(0)
    x_nchw = torch.randn((IMAGES, *data.input_shape), generator=draw)
    said: dict[str, str] = {}
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        for mode in ("training", "evaluation"):
            network.train(mode == "training")
            try:
                logits, said[mode] = main_part(network(x_nchw))
                _check_shape(logits, len(data.classes), mode)
                if mode == "training":
                    F.cross_entropy(logits.float(), torch.zeros(IMAGES, dtype=torch.int64)).backward()
            except TrainingFailed as cause:  # no output counts
                raise StudyError(f"in {mode} {cause}") from None
            except AttnspaceError:
                raise
            except Exception as cause:  # whatever the network's code raises
                raise StudyError(
                    f"the network fails in {mode}: {type(cause).__name__}: {cause}", got=list(x_nchw.shape)
                ) from cause
    return _notes(said)


def _check_shape(logits: Tensor, classes: int, mode: str) -> None:
    if logits.shape != (IMAGES, classes):
        raise StudyError(
            f"the network does not give a number for each of {classes} classes in {mode}",
            got=list(logits.shape),
            allowed=f"{[IMAGES, classes]} for {IMAGES} images",
            remedy="have its last layer made for num_classes",
        )


def _notes(said: dict[str, str]) -> tuple[str, ...]:
    """Say which output counts where the network returns something else than a tensor."""
    if len(set(said.values())) > 1:
        return tuple(f"in {mode} what counts of the network's output is {what}" for mode, what in said.items())
    what = said["training"]
    return (f"what counts of the network's output is {what}",) if not what.startswith("the tensor") else ()
