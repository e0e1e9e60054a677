"""Which devices a study means."""

from __future__ import annotations

import torch

from attnspace.errors import StudyError

__all__ = ["devices"]


def devices(name: str) -> list[torch.device]:
    """The devices of `auto`, `cpu`, `cuda` or `cuda:N`: all GPUs, where no one is named.

    Raises:
        StudyError: it is not there.
    """
    number = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not number):
        return [torch.device("cpu")]
    wanted = [int(name[5:])] if name.startswith("cuda:") else list(range(number))
    if not wanted or wanted[-1] >= number:
        there = ", ".join(["auto", "cpu", *(f"cuda:{i}" for i in range(number))])
        raise StudyError("there is no such device here", at=("search", "device"), got=name, allowed=there)
    return [torch.device("cuda", i) for i in wanted]
